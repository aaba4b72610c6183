//! What a start would meet, found without one.

use std::path::Path;

use crate::config::{AlertConfig, Config, CorsOrigins};
use crate::domain::digits::with_commas;
use crate::mirror::Targets;
use crate::store::{check_writable, file_in, free_bytes};

use super::in_force::{InForce, bytes};
use super::listener::{BACKLOG, bind};
use super::method::method;
use super::service_mark;

/// What the settings would come to, what keeps a server from starting with them, and what a sale would trip over.
#[derive(Debug)]
pub struct Checked {
    /// What would be in force.
    pub in_force: InForce,
    /// Whether there is a store already.
    pub has_store: bool,
    /// Why a start would fail: a sentence for each reason.
    pub blocking: Vec<String>,
    /// What would let a server start, and hurt during a sale: a sentence for each, with what to do.
    pub trips: Vec<String>,
}

/// Looks at the settings and at the machine. Opens no store, and takes no port longer than it needs to see that it can.
pub fn check(config: &Config) -> Checked {
    let (targets, errors) = Targets::read(&config.mirrors);
    let in_force = InForce::of(config, &targets);
    let blocking = [
        method(config.fulfillment.as_ref()).err().map(|error| error.to_string()),
        bind(config.address).err().map(|error| error.to_string()),
        directory(&config.data_dir),
    ];
    let mut trips = trips(config, &in_force);
    trips.extend(targets.obstacle().map(|obstacle| format!("{obstacle}.")));
    let has_store = file_in(&config.data_dir).exists();
    let blocking = blocking.into_iter().flatten().chain(errors.iter().map(ToString::to_string)).collect();
    Checked { in_force, has_store, blocking, trips }
}

/// Why the data directory cannot be used, if it cannot.
fn directory(data_dir: &Path) -> Option<String> {
    let there = nearest(data_dir)?;
    let error = check_writable(there).err()?;
    Some(format!("cannot write to {}: {error}; choose another DATA_DIR or change its owner", there.display()))
}

/// The directory, or the nearest one above it that is there.
fn nearest(directory: &Path) -> Option<&Path> {
    let is_here = |path: &&Path| path.as_os_str().is_empty() || path.exists();
    directory.ancestors().find(is_here).map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
}

fn trips(config: &Config, in_force: &InForce) -> Vec<String> {
    let all = [access_of_buyers, tokens, origins, proxies, files, memory, backlog, rates, disk, service, events];
    all.into_iter().filter_map(|trip| trip(config, in_force)).collect()
}

fn access_of_buyers(config: &Config, in_force: &InForce) -> Option<String> {
    (config.address.ip().is_loopback() && in_force.public_url.is_none()).then(|| {
        "Only this machine can reach the server. If buyers do not come through a proxy here, set HOST and ADMIN_TOKEN."
            .to_owned()
    })
}

fn tokens(_: &Config, in_force: &InForce) -> Option<String> {
    if in_force.is_open_by_proxy() {
        return Some("The proxy opens operator routes to all it lets in: set ADMIN_TOKEN.".to_owned());
    }
    (!in_force.has_storefront_token).then(|| {
        "Anyone who reaches the server can order in any user's name. If the shop's own server places the orders, set \
         STOREFRONT_TOKEN."
            .to_owned()
    })
}

fn origins(config: &Config, _: &InForce) -> Option<String> {
    (config.cors_origins == Some(CorsOrigins::Any))
        .then(|| "Pages of any origin can order: name the shop's in CORS_ORIGINS.".to_owned())
}

fn proxies(_: &Config, in_force: &InForce) -> Option<String> {
    (in_force.public_url.is_some() && in_force.trusted_proxies.is_empty() && in_force.rate_per_address > 0).then(|| {
        "All buyers behind the proxy share the limits of its address: set TRUSTED_PROXIES to the proxy's.".to_owned()
    })
}

fn files(_: &Config, in_force: &InForce) -> Option<String> {
    let InForce { max_connections, wanted_connections, max_open_files, .. } = *in_force;
    let [allowed, wanted] = [max_connections, wanted_connections].map(|most| with_commas(most as u64));
    let files = with_commas(max_open_files?);
    in_force.lacks_files().then(|| {
        format!(
            "MAX_CONNECTIONS is {wanted}, and {files} open files allow {allowed}: raise the limit (ulimit -n, or \
             LimitNOFILE of systemd)."
        )
    })
}

fn memory(_: &Config, in_force: &InForce) -> Option<String> {
    let (needed, all) = (in_force.connections_memory(), in_force.memory?);
    (needed > all / 2).then(|| {
        let (needed, all) = (bytes(needed), bytes(all));
        format!("All connections together would take {needed} of {all} memory: lower MAX_CONNECTIONS.")
    })
}

fn backlog(_: &Config, _: &InForce) -> Option<String> {
    let most: u32 = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?.trim().parse().ok()?;
    (most < BACKLOG).then(|| {
        let [most, wanted] = [most, BACKLOG].map(|most| with_commas(most.into()));
        format!(
            "The system drops connections that come at once beyond {most}: raise net.core.somaxconn to {wanted} with \
             sysctl."
        )
    })
}

fn rates(_: &Config, in_force: &InForce) -> Option<String> {
    (in_force.rate_per_user == 0 && in_force.rate_per_address == 0).then(|| {
        "No rate is limited, so one script can take every place in the line: set RATE_LIMIT_PER_USER and \
         RATE_LIMIT_PER_IP."
            .to_owned()
    })
}

fn disk(config: &Config, _: &InForce) -> Option<String> {
    let AlertConfig { disk_free_mib, .. } = config.alerts;
    let free = free_bytes(nearest(&config.data_dir)?)?;
    (free >> 20 < disk_free_mib.into())
        .then(|| format!("The disk of {} has {} free: make room.", config.data_dir.display(), bytes(free)))
}

fn service(config: &Config, in_force: &InForce) -> Option<String> {
    match in_force.signs_posts {
        None => service_mark::missing(&config.data_dir).map(|missing| format!("{missing}.")),
        Some(false) => {
            Some("The fulfilment service cannot tell our posts from others': set FULFILLMENT_SECRET.".to_owned())
        }
        Some(true) => None,
    }
}

fn events(config: &Config, _: &InForce) -> Option<String> {
    config
        .mirrors
        .events
        .as_ref()
        .filter(|events| events.secret.is_none())
        .map(|_| "The receiver of events cannot tell our posts from others': set EVENTS_SECRET.".to_owned())
}

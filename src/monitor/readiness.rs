//! What a sale needs, checked every few seconds: each with what was found.

use std::sync::Arc;

use crate::committer::Status;
use crate::domain::alert::AlertCode;
use crate::domain::clock::{MAX_TIMESTAMP, Timestamp};
use crate::domain::digits::grouped;
use crate::domain::mirror::Mirror;
use crate::domain::product::{NotOnSale, Product};
use crate::drawing::text;
use crate::view::metrics::{MetricsView, MirrorView};
use crate::view::readiness::{ANY_REQUESTS, ReadinessCheckView, ReadinessStatus, ReadinessView};

use super::deps::Deps;

use ReadinessStatus::{Look, NotReady, Ready};

/// What the checks look at.
struct Seen<'s> {
    deps: &'s Deps,
    metrics: &'s MetricsView,
    all: &'s [Arc<Product>],
    /// The products that are in the sale and whose window has not ended.
    on_sale: Vec<&'s Product>,
    now: Timestamp,
}

/// Checks everything. Goes over all products, and over nothing that grows with the orders.
pub(super) fn check(deps: &Deps, metrics: &MetricsView) -> ReadinessView {
    let (all, now) = (deps.inventory.products(), deps.clock.now());
    let ended = |product: &Product| matches!(product.terms.check_open(now), Err(NotOnSale::Ended { .. }));
    let on_sale =
        all.iter().map(AsRef::as_ref).filter(|product: &&Product| product.terms.flash_sale_active && !ended(product));
    let seen = Seen { deps, metrics, on_sale: on_sale.collect(), all: &all, now };
    let checks = [
        taking_orders,
        books,
        window,
        stock,
        purchase_limits,
        dead_letters,
        queue,
        fulfillment,
        rate_limits,
        clock,
        open_files,
        access,
        mirrors,
    ];
    ReadinessView::of(now, checks.iter().map(|check| check(&seen)).collect())
}

/// A check with its evidence; what can be done about it comes with [`ReadinessCheckView::mended`].
fn found(name: &'static str, title: &'static str, status: ReadinessStatus, evidence: String) -> ReadinessCheckView {
    ReadinessCheckView { name, status, title, evidence, link: None, action: None }
}

impl ReadinessCheckView {
    /// The same with what to do about it, and where, unless it is ready.
    fn mended(mut self, action: &str, link: Option<String>) -> Self {
        if self.status != Ready {
            (self.action, self.link) = (Some(action.to_owned()), link);
        }
        self
    }
}

fn taking_orders(seen: &Seen<'_>) -> ReadinessCheckView {
    let free = seen.metrics.disk_free_bytes;
    let least = u64::from(seen.deps.thresholds.disk_free_mib) * 1024 * 1024;
    let (status, action, what) = match seen.deps.intake.status() {
        Status::Open if free.is_some_and(|free| free < least) => (Look, "Free space on the disk.", ""),
        Status::Open => (Ready, "", ""),
        Status::ShuttingDown => (NotReady, "Start the server again.", "The server stops. "),
        Status::StorageUnavailable => (NotReady, "Look at the log.", "The store cannot be written. "),
        Status::StorageMissing => (NotReady, "Look at the log.", "Files of the store are missing. "),
        Status::StorageSlow => (NotReady, "Look at the disk.", "The disk does not respond. "),
    };
    let disk = free.map_or_else(|| "Free space is not known".to_owned(), |free| format!("Disk: {} free", bytes(free)));
    let commit = match seen.metrics.commit.p99 {
        Some(millis) => format!("Commits take up to {millis} ms"),
        None => "No commit in the last 10 s".to_owned(),
    };
    found("taking_orders", "Taking orders", status, format!("{what}{disk}. {commit}.")).mended(action, None)
}

fn books(seen: &Seen<'_>) -> ReadinessCheckView {
    let broken: Vec<_> = seen.all.iter().filter(|product| !product.stock.is_conserved()).collect();
    let (status, evidence) = match broken.first() {
        None => (Ready, format!("The units of all {} products add up.", grouped(seen.all.len() as u64))),
        Some(first) => {
            (NotReady, format!("The units of {} products do not add up, {} first.", broken.len(), first.terms.name))
        }
    };
    found("books", "Books", status, evidence).mended(AlertCode::NotConserved.action(), Some("/products".to_owned()))
}

fn window(seen: &Seen<'_>) -> ReadinessCheckView {
    let windows: std::collections::BTreeSet<_> = seen
        .on_sale
        .iter()
        .map(|product| (product.terms.sale_starts_at, product.terms.sale_ends_at.unwrap_or(MAX_TIMESTAMP)))
        .collect();
    let count = grouped(seen.on_sale.len() as u64);
    let moment = |at| format!("{} UTC", text::moment(at, seen.now));
    let said = |(starts, ends): (Option<Timestamp>, Timestamp)| {
        let from = match starts {
            None => "open now".to_owned(),
            Some(starts) if starts <= seen.now => format!("open since {}", moment(starts)),
            Some(starts) => format!("from {}", moment(starts)),
        };
        let until = if ends == MAX_TIMESTAMP { "without an end".to_owned() } else { format!("until {}", moment(ends)) };
        format!("{from}, {until}")
    };
    let (status, evidence) = match (windows.len(), windows.first()) {
        (_, None) if seen.all.iter().any(|product| product.terms.flash_sale_active) => {
            (NotReady, "The windows of all products in the sale have ended.".to_owned())
        }
        (_, None) => (NotReady, "No product is in the sale.".to_owned()),
        (1, Some(window)) => (Ready, format!("{} products: {}.", count, said(*window))),
        (more, Some(window)) => (Look, format!("{count} products have {more} windows, the first {}.", said(*window))),
    };
    let action = "Put products into the sale, with one window.";
    found("window", "Window", status, evidence).mended(action, Some("/products".to_owned()))
}

fn stock(seen: &Seen<'_>) -> ReadinessCheckView {
    let sum = |units: fn(&Product) -> u64| seen.on_sale.iter().map(|product| units(product)).sum::<u64>();
    let (left, held) = (sum(|product| product.stock.current), sum(|product| product.stock.held));
    let empty: Vec<_> = seen.on_sale.iter().filter(|product| product.stock.current == 0).collect();
    let units = format!("{} units for sale, {} held", grouped(left), grouped(held));
    let (status, evidence) = match (left, empty.first()) {
        (0, _) => (NotReady, format!("{units}.")),
        (_, None) => (Ready, format!("{units}.")),
        (_, Some(first)) => (Look, format!("{units}. {} products have none, {} first.", empty.len(), first.terms.name)),
    };
    found("stock", "Stock", status, evidence).mended("Add units.", Some("/products".to_owned()))
}

fn purchase_limits(seen: &Seen<'_>) -> ReadinessCheckView {
    let unlimited: Vec<_> = seen.on_sale.iter().filter(|product| product.terms.per_user_limit.is_none()).collect();
    let (with, all) = (seen.on_sale.len() - unlimited.len(), seen.on_sale.len());
    let (status, evidence) = match unlimited.iter().max_by_key(|product| product.stock.current) {
        None => (Ready, format!("All {} products have one.", grouped(all as u64))),
        Some(worst) => {
            let (name, units) = (&worst.terms.name, grouped(worst.stock.current));
            (Look, format!("{with} of {all} products have one. {name} has none: one buyer could take all {units}."))
        }
    };
    found("purchase_limits", "Purchase limits", status, evidence).mended("Set a limit.", Some("/products".to_owned()))
}

fn dead_letters(seen: &Seen<'_>) -> ReadinessCheckView {
    let (status, evidence) = match seen.metrics.dead_letters {
        0 => (Ready, "None.".to_owned()),
        1 => (Look, "1 is not settled.".to_owned()),
        more => (Look, format!("{} are not settled.", grouped(more))),
    };
    found("dead_letters", "Dead letters", status, evidence).mended("Settle them.", Some("/queue".to_owned()))
}

fn queue(seen: &Seen<'_>) -> ReadinessCheckView {
    let metrics = seen.metrics;
    let (jobs, room) = (metrics.queue_length, metrics.queue_capacity.saturating_sub(metrics.queue_length));
    let full = u64::from(seen.deps.thresholds.queue_percent);
    let (status, state) = match (metrics.paused, full > 0 && jobs * 100 > metrics.queue_capacity * full) {
        (true, _) => (Look, "Paused"),
        (_, true) => (Look, "Nearly full"),
        _ => (Ready, "Running"),
    };
    let jobs = if jobs == 0 { "empty".to_owned() } else { format!("{} jobs in line", grouped(jobs)) };
    let evidence = format!("{state}, {jobs}, {} workers, room for {} jobs.", metrics.workers, grouped(room));
    found("queue", "Queue", status, evidence).mended("Resume it, or let it drain.", Some("/queue".to_owned()))
}

fn fulfillment(seen: &Seen<'_>) -> ReadinessCheckView {
    let posts = seen.deps.metrics.posts();
    let (status, evidence) = match posts.last() {
        _ if !seen.deps.facts.fulfillment => (Ready, "No service is set: orders are confirmed at once.".to_owned()),
        None => (Look, "Nothing was posted since the server started.".to_owned()),
        Some(post) => {
            let took = post.took.as_millis();
            match (post.failure, posts.failed_in_row()) {
                (None, _) => (Ready, format!("The last post had its response in {took} ms, at {}.", post.at)),
                (Some(error), failed) => {
                    let status = if posts.is_suspended() { NotReady } else { Look };
                    (status, format!("{failed} posts failed in a row; the last at {}: {error}.", post.at))
                }
            }
        }
    };
    let action = "See whether the service can be reached; an order shows it.";
    found("fulfillment", "Fulfilment", status, evidence).mended(action, Some("/queue".to_owned()))
}

fn rate_limits(seen: &Seen<'_>) -> ReadinessCheckView {
    let facts = &seen.deps.facts;
    let user = match facts.rate_per_user {
        0 => "any number of orders/s from a user".to_owned(),
        rate => format!("{} orders/s from a user", grouped(rate.into())),
    };
    let address = match facts.rate_per_address {
        0 => ANY_REQUESTS.to_owned(),
        rate => format!("{} requests/s from an address", grouped(rate.into())),
    };
    let status = if facts.rate_per_user == 0 || facts.rate_per_address == 0 { Look } else { Ready };
    let evidence = format!("Allowed: {user}, {address}.");
    let action = "Set RATE_LIMIT_PER_USER and RATE_LIMIT_PER_IP, and start the server again.";
    found("rate_limits", "Rate limits", status, evidence).mended(action, None)
}

fn clock(seen: &Seen<'_>) -> ReadinessCheckView {
    let raised = seen.deps.alerts.alerts().into_iter().find(|alert| alert.code == AlertCode::ClockStepped);
    let (status, evidence) = match raised {
        None => (Ready, format!("It was not set since the server started; it says {} UTC.", text::clock(seen.now))),
        Some(alert) => (Look, format!("{}.", alert.message.trim_end_matches('.'))),
    };
    found("clock", "Clock", status, evidence).mended(AlertCode::ClockStepped.action(), None)
}

fn open_files(seen: &Seen<'_>) -> ReadinessCheckView {
    let metrics = seen.metrics;
    let percent = u64::from(seen.deps.thresholds.open_files_percent);
    let connections = format!("room for {} connections", grouped(metrics.max_connections));
    let (status, evidence) = match (metrics.open_files, metrics.max_open_files) {
        (Some(open), Some(most)) => {
            let many = percent > 0 && open * 100 > most * percent;
            let evidence = format!("{} of {} are open, {connections}.", grouped(open), grouped(most));
            (if many { Look } else { Ready }, evidence)
        }
        (Some(open), None) => (Ready, format!("{} are open, without a limit; {connections}.", grouped(open))),
        (None, _) => (Look, format!("It is not known how many are open; {connections}.")),
    };
    found("open_files", "Open files", status, evidence).mended(AlertCode::OpenFiles.action(), None)
}

fn access(seen: &Seen<'_>) -> ReadinessCheckView {
    let facts = &seen.deps.facts;
    let evidence = match facts.token {
        true => format!("Operators need the token; listening on {}.", facts.address),
        false => format!("No token is set, so only this machine can connect, to {}.", facts.address),
    };
    found("access", "Access", Ready, evidence)
}

fn mirrors(seen: &Seen<'_>) -> ReadinessCheckView {
    let mirrors = &seen.metrics.mirrors.0;
    if mirrors.is_empty() {
        return found("mirrors", "Mirrors", Ready, "None is set.".to_owned());
    }
    let slow = f64::from(seen.deps.thresholds.mirror_lag_seconds);
    let of = |mirror: Mirror| Some(one_mirror(mirror, mirrors.get(mirror.as_str())?, slow));
    let mut said: Vec<_> = Mirror::ALL.into_iter().filter_map(of).collect();
    // What needs a look comes first.
    said.sort_by_key(|(is_good, _)| *is_good);
    let status = if said.iter().all(|(is_good, _)| *is_good) { Ready } else { Look };
    let said: Vec<_> = said.into_iter().map(|(_, sentence)| sentence).collect();
    found("mirrors", "Mirrors", status, said.join(" ")).mended(AlertCode::MirrorAway.action(), None)
}

/// Whether a mirror is well, and a sentence about it. More than `slow` seconds behind is not well; 0 is no bound.
fn one_mirror(mirror: Mirror, view: &MirrorView, slow: f64) -> (bool, String) {
    let (state, is_good) = match (&view.last_error, view.connected) {
        (Some(error), false) => (format!("away: {}", mirror.reason(error)), false),
        (None, false) => ("not there yet".to_owned(), false),
        (_, true) if view.rebuilding => ("copying everything".to_owned(), false),
        (_, true) if view.lag_events == 0 => ("up to date".to_owned(), true),
        (_, true) => {
            let behind = format!("{} records and {} s behind", grouped(view.lag_events), view.lag_seconds);
            (behind, slow == 0.0 || view.lag_seconds <= slow)
        }
    };
    let aside = match view.put_aside {
        0 => String::new(),
        rows => format!("; {} rejected", grouped(rows)),
    };
    let is = if mirror == Mirror::Events { "are" } else { "is" };
    (is_good && view.put_aside == 0, format!("{} {is} {state}{aside}.", mirror.name()))
}

fn bytes(bytes: u64) -> String {
    let (gib, mib) = (1_u64 << 30, 1_u64 << 20);
    if bytes >= gib { format!("{} GiB", grouped(bytes / gib)) } else { format!("{} MiB", bytes / mib) }
}

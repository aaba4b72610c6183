//! `flashsale scenario`.

use std::ffi::OsStr;
use std::path::Path;

use clap::Args;

use crate::client::ClientError;
use crate::maintenance::counted;
use crate::rehearsal::prepare::{Preparation, PrepareError, Prepared};
use crate::rehearsal::scenario::{self, ScenarioError};
use crate::sample;

use super::confirm::confirm;
use super::output::{say, write_out};
use super::remote::RemoteArgs;
use super::run::{CommandError, Definition, Run};
use super::table::{block, plain};

/// Prepare a running server for a load test: its products, an empty queue, metrics from zero
///
/// Products of earlier load tests are put away: their open orders are cancelled, their dead letters discarded, and they
/// are deleted, or hidden if they have orders. Orders cannot be deleted: they stay in the history. A server with other
/// products, which neither a load test nor the sample data made, is left as it is without --yes; such products are
/// never touched. Without a name, lists the scenarios.
#[derive(Debug, Args)]
pub(super) struct Scenario {
    /// Name of the scenario, such as hyper or contention-hyper, or a file of one's own that ends in .toml
    #[arg(value_parser = read)]
    name: Option<scenario::Scenario>,
    /// Do not ask where the server has other products than those of load tests and the samples
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: RemoteArgs,
}

/// Why there is no scenario of this name.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
}

/// A built-in scenario, or one in a file.
pub(super) fn read(name: &str) -> Result<scenario::Scenario, ReadError> {
    let path = Path::new(name);
    match path.file_stem().and_then(OsStr::to_str) {
        Some(stem) if path.extension() == Some(OsStr::new("toml")) => {
            Ok(scenario::Scenario::parse(stem, &std::fs::read_to_string(path)?)?)
        }
        _ => Ok(scenario::Scenario::built_in(name)?),
    }
}

impl Run for Scenario {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let Some(scenario) = self.name else { return list() };
        let server = self.server.connect()?;
        let url = server.server().to_owned();
        let failed = |error| failed(&url, error);
        let preparation = Preparation::look(server.calls(), &scenario, sample::is_one).map_err(failed)?;
        ask(&preparation, &url, self.yes)?;
        let prepared = preparation.run().map_err(failed)?;
        match server.json {
            true => {
                let json = serde_json::to_string(&prepared).map_err(|_| failed(ClientError::NotTheApi.into()))?;
                say(&json)
            }
            false => write_out(block(&lines(&prepared)).as_bytes()),
        }
    }
}

/// Why the server at a URL is not prepared.
pub(super) fn failed(url: &str, error: PrepareError) -> CommandError {
    match error {
        PrepareError::Client(error) => CommandError::Server(url.to_owned(), error),
        error => CommandError::NotPrepared(url.to_owned(), error),
    }
}

/// Asks before a server is changed that has other products than those of load tests.
pub(super) fn ask(preparation: &Preparation<'_>, url: &str, yes: bool) -> Result<(), CommandError> {
    let Some(first) = preparation.foreign.first() else { return Ok(()) };
    let more = match preparation.foreign.len() as u64 - 1 {
        0 => String::new(),
        more => format!(" and {}", counted(more, "other product")),
    };
    let first = plain(first);
    confirm(&format!("prepare a load test at {url}, beside {first}{more} that no load test made"), yes)
}

/// The scenarios, with what each does.
fn list() -> Result<(), CommandError> {
    let scenarios = scenario::Scenario::all_built_in();
    let lines = scenarios.map(|(name, text)| (name, scenario::Scenario::parse(name, text)));
    let lines: Vec<_> = lines.filter_map(|(name, scenario)| Some((name, scenario.ok()?.about))).collect();
    write_out(block(&lines).as_bytes())
}

/// What people read, line by line.
fn lines(prepared: &Prepared) -> Vec<(&'static str, String)> {
    let Prepared { scenario, server, products, put_away, limits } = prepared;
    let mut lines = vec![("scenario", format!("{scenario}, at {server}"))];
    lines.extend(products.iter().map(|product| {
        let units = counted(product.units, "unit");
        ("product", format!("{} ({}), {units}, SKU {}", product.id, plain(&product.name), plain(&product.sku)))
    }));
    let old = format!(
        "{} hidden, {} deleted; {} cancelled, {} discarded",
        counted(put_away.hidden, "old product"),
        put_away.deleted,
        counted(put_away.cancelled, "open order"),
        counted(put_away.discarded, "dead letter"),
    );
    lines.push(("put away", old));
    lines.push(("ready", "the queue is empty, and the metrics begin anew".to_owned()));
    if let Some(limits) = limits {
        let needed = "a load test from one IP address needs RATE_LIMIT_PER_IP=0 and MAX_CONNECTIONS_PER_IP=0";
        lines.push(("limits", format!("{needed}. {}", plain(limits))));
    }
    lines
}

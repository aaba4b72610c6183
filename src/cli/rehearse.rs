//! `flashsale rehearse`.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::client::Calls;
use crate::config;
use crate::domain::digits::grouped;
use crate::maintenance::Output;
use crate::rehearsal::prepare::Preparation;
use crate::rehearsal::scenario::Scenario;
use crate::rehearsal::{Place, Plan, Progress, ServerPlan, rehearse};
use crate::sample;
use crate::view::load_test::{LoadTestView, PercentilesView};

use super::output::{warn, write_out};
use super::run::{CommandError, Definition, Run};
use super::scenario;
use super::server_args::ServerArgs;
use super::table::{block, plain};
use super::values::within;

/// Hold a load test and give a verdict: did it sell every unit once, and lose nothing?
///
/// Starts a server of its own on an empty store, unless --server names a running one. Buyers arrive when the scenario
/// says so, whether or not those before them got a response, and latencies count from the moment at which a request was
/// meant to be sent. The exit code is 1 when a check of the verdict does not hold.
#[derive(Debug, Args)]
pub(super) struct Rehearse {
    /// Name of the scenario, such as hyper or contention-hyper, or a file of one's own that ends in .toml
    #[arg(value_parser = scenario::read, default_value = "standard")]
    scenario: Scenario,
    #[command(flatten)]
    server: ServerArgs,
    /// Token for placing orders at that server; if unset, the admin token
    #[arg(long, env = "STOREFRONT_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    storefront_token: Option<String>,
    /// File that holds this token; use it instead of --storefront-token
    #[arg(long, env = "STOREFRONT_TOKEN_FILE", value_name = "FILE")]
    storefront_token_file: Option<PathBuf>,
    /// Do not ask where that server has other products than those of load tests and the samples
    #[arg(long)]
    yes: bool,
    /// Kill the server in the middle of the arrivals with SIGKILL, and start it again
    #[arg(long, conflicts_with = "server")]
    kill: bool,
    /// Run a fulfilment service too, and take it away from two to three fifths of the arrivals
    #[arg(long, visible_alias = "fulfilment-outage", conflicts_with = "server")]
    fulfillment_outage: bool,
    /// Number that decides which buyers come and what they do; the same number gives the same buyers
    #[arg(long, default_value_t = 1, value_parser = within::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Let each phase last a tenth as long
    #[arg(long)]
    short: bool,
    /// Write the results to this file, for `flashsale report`; an older one is replaced
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory in which the server of its own gets a store, which is removed in the end
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "server")]
    dir: PathBuf,
    /// Connections of all buyers: the most requests under way at once, bots aside
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = within::<u32>(1..=10_000))]
    connections: u32,
    /// Threads that send; each takes a processor from a server on the same machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = within::<u32>(1..=64))]
    threads: u32,
}

impl Run for Rehearse {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let Self { seed, kill, fulfillment_outage, connections, threads, .. } = self;
        let scenario = if self.short { self.scenario.clone().shortened() } else { self.scenario.clone() };
        // Begun before the load test: what cannot be written is said before it, and not after.
        let json = self.json.as_deref().map(|path| Output::create(path, true)).transpose()?;
        // Removed when this ends, after the server.
        let (_dir, place) = match &self.server.server {
            Some(_) => (None, self.running(&scenario)?),
            None => {
                let dir = tempfile::Builder::new().prefix("flashsale-rehearsal-").tempdir_in(&self.dir);
                let dir = dir.map_err(|error| CommandError::File(self.dir.clone(), error))?;
                let place = own(dir.path())?;
                (Some(dir), place)
            }
        };
        let command = self.command();
        let bar = Bar::new(&scenario);
        let plan = Plan { scenario, seed, place, kill, fulfillment_outage, connections, threads, command };
        let results = rehearse(plan, |progress| bar.show(progress)).map_err(CommandError::Rehearsal)?;
        drop(bar);
        if let Some(json) = json {
            json.finish_with(&pretty(&results)?)?;
        }
        write_out(text(&results).as_bytes())?;
        if !results.schedule.kept {
            warn(
                &"the load test fell behind its own schedule, so its latencies are not the server's alone; lower the \
                   rate, or run it on another machine",
            );
        }
        match results.held {
            true => Ok(()),
            false => Err(CommandError::VerdictBroken),
        }
    }
}

impl Rehearse {
    /// Prepares the running server.
    fn running(&self, scenario: &Scenario) -> Result<Place, CommandError> {
        let client = self.server.client()?.ok_or(CommandError::CannotStart)?;
        let url = client.server().to_owned();
        let calls = Calls::new(client)?;
        let failed = |error| scenario::failed(&url, error);
        let preparation = Preparation::look(&calls, scenario, sample::is_one).map_err(failed)?;
        scenario::ask(&preparation, &url, self.yes)?;
        let products = preparation.run().map_err(failed)?.products.iter().map(|product| product.id).collect();
        let storefront_token =
            config::secret("STOREFRONT_TOKEN", self.storefront_token.clone(), self.storefront_token_file.clone())?;
        Ok(Place::Running { url, admin_token: self.server.token()?, storefront_token, products })
    }

    /// The command line, without tokens.
    fn command(&self) -> String {
        let mut words = vec!["flashsale rehearse".to_owned(), self.scenario.name.clone()];
        words.extend(self.server.server.iter().map(|server| format!("--server {server}")));
        for (given, word) in
            [(self.kill, "--kill"), (self.fulfillment_outage, "--fulfillment-outage"), (self.short, "--short")]
        {
            words.extend(given.then(|| word.to_owned()));
        }
        words.push(format!("--seed {} --connections {} --threads {}", self.seed, self.connections, self.threads));
        words.join(" ")
    }
}

/// The results as JSON, for people and programs.
fn pretty(results: &LoadTestView) -> Result<Vec<u8>, CommandError> {
    let mut json = serde_json::to_vec_pretty(results).map_err(|error| CommandError::Output(error.into()))?;
    json.push(b'\n');
    Ok(json)
}

/// A server of its own, with a store in `dir`.
fn own(dir: &Path) -> Result<Place, CommandError> {
    let program = std::env::current_exe().map_err(CommandError::Start)?;
    let dir = dir.canonicalize().map_err(|error| CommandError::File(dir.to_owned(), error))?;
    let settings = vec![("LOG_LEVEL".to_owned(), "warn".to_owned())];
    Ok(Place::Own(ServerPlan { program, dir, settings }))
}

/// What is shown while it runs, on standard error if that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(scenario: &Scenario) -> Self {
        let bar = ProgressBar::with_draw_target(Some(scenario.duration().as_secs()), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} {bar:24} {elapsed} of {len} s\n{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(scenario.name.clone());
        Self(bar)
    }

    fn show(&self, progress: &Progress) {
        let Progress { requests, admitted, refused, failed, latency, all_admitted, late, left, .. } = progress;
        let left = left.map_or_else(|| "stock not known".to_owned(), |left| format!("{} units left", grouped(left)));
        let latency = latency.map_or_else(|| "no response".to_owned(), |found| latencies(&found));
        let late = match late.as_millis() {
            0..5 => String::new(),
            millis => format!("; sent {millis} ms late"),
        };
        self.0.set_message(format!(
            "{} requests/s: {} admitted, {} refused, {} failed; {latency}; {} admitted in all, {left}{late}",
            grouped(*requests),
            grouped(*admitted),
            grouped(*refused),
            grouped(*failed),
            grouped(*all_admitted),
        ));
        self.0.set_position(progress.elapsed.as_secs());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// `p50 0.2 ms, p95 0.4 ms, p99 1.2 ms, max 9.0 ms`.
fn latencies(found: &PercentilesView) -> String {
    let ms = |micros: u64| format!("{:.2} ms", micros as f64 / 1e3);
    format!("p50 {}, p95 {}, p99 {}, max {}", ms(found.p50), ms(found.p95), ms(found.p99), ms(found.max))
}

/// What people read in the end.
fn text(results: &LoadTestView) -> String {
    let LoadTestView { funnel, order_latency, latency, schedule, server, checks, .. } = results;
    let seconds = results.duration_ms as f64 / 1e3;
    let mut lines = vec![
        ("scenario", format!("{}, seed {}, {seconds:.1} s at {}", plain(&results.scenario), results.seed, server.url)),
        (
            "requests",
            format!("{} responses, {:.0}/s in the mean", grouped(latency.count), latency.count as f64 / seconds),
        ),
        (
            "orders",
            format!(
                "{} asked, {} admitted: {} confirmed, {} pending, {} cancelled, {} failed, {} repeated",
                grouped(funnel.asked),
                grouped(funnel.admitted),
                grouped(funnel.confirmed),
                grouped(funnel.pending),
                grouped(funnel.cancelled),
                grouped(funnel.failed),
                grouped(funnel.repeated)
            ),
        ),
    ];
    lines.extend(
        funnel.lost.iter().map(|lost| ("", format!("{} {}", grouped(lost.count), lost.code.replace('_', " ")))),
    );
    let measured = order_latency.percentiles.as_ref();
    lines.push(("latency", measured.map_or_else(|| "no order got a response".to_owned(), latencies)));
    lines.extend(
        results
            .events
            .iter()
            .map(|event| ("", format!("{:.1} s: {}", event.at_ms as f64 / 1e3, plain(&event.message)))),
    );
    let late = schedule.late.p99 as f64 / 1e3;
    let kept = if schedule.kept { "kept" } else { "not kept" };
    lines.push((
        "schedule",
        format!("{kept}: {} of {} buyers sent, p99 {late:.1} ms late", grouped(schedule.sent), grouped(schedule.due)),
    ));
    let mut text = block(&lines);
    text.push('\n');
    for check in checks {
        let word = if check.holds { "holds " } else { "BROKEN" };
        text.push_str(&format!("{word}  {:<40}  {}\n", check.title, plain(&check.evidence)));
    }
    let holding = checks.iter().filter(|check| check.holds).count();
    text.push_str(&format!("\n{holding} of {} checks hold.\n", checks.len()));
    text
}

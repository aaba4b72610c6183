//! `flashsale queue`.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::{Call, encoded};
use crate::domain::clock::Timestamp;
use crate::domain::digits::with_commas;
use crate::domain::job::JobState;
use crate::maintenance::counted;

use super::confirm::confirm;
use super::remote::{ListArgs, Remote, RemoteArgs};
use super::run::{CommandError, Definition, Run};
use super::table::{Column, plain, shown};
use super::values::{moment, word};

const JOBS: &[Column] = &[
    ("JOB", "jobId"),
    ("ORDER", "orderId"),
    ("STATE", "status"),
    ("PLACE", "queuePosition"),
    ("ATTEMPTS", "attemptsMade"),
    ("LAST ATTEMPT", "processedOn"),
    ("REASON", "failedReason"),
];

const LETTERS: &[Column] = &[
    ("JOB", "jobId"),
    ("ORDER", "orderId"),
    ("PRODUCT", "productId"),
    ("USER", "userId"),
    ("UNITS", "quantity"),
    ("FAILED", "failedAt"),
    ("ATTEMPTS", "attemptsMade"),
    ("REASON", "failedReason"),
];

const GROUPS: &[Column] = &[
    ("COUNT", "count"),
    ("A SECOND", "growthPerSecond"),
    ("FIRST", "first"),
    ("LAST", "last"),
    ("PRODUCTS", "productCount"),
    ("ERROR", "error"),
];

/// Show, pause and resume the queue of a running server, and handle its dead letters
#[derive(Debug, Args)]
pub(super) struct Queue {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    server: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Show the counts of jobs, and whether the queue is paused
    Show,
    /// List the jobs in one state
    Jobs(Jobs),
    /// Start no further job until `resume`, also after a restart
    Pause,
    /// Start jobs again
    Resume,
    /// Handle the jobs that failed for good
    DeadLetters(DeadLetters),
}

#[derive(Debug, Args)]
struct Jobs {
    /// State: waiting, prioritized, delayed, active, completed or failed
    #[arg(long, value_parser = word::<JobState>)]
    state: JobState,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct DeadLetters {
    #[command(subcommand)]
    act: LetterAct,
}

#[derive(Debug, Subcommand)]
enum LetterAct {
    /// List dead letters, newest first
    List(Listed),
    /// Count dead letters by their last error
    Groups(Filter),
    /// Put a dead letter back into the queue, or all that match
    Retry(Moved),
    /// Drop a dead letter, or all that match; their orders stay as they are
    Discard(Discard),
}

#[derive(Debug, Args)]
struct Listed {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct Filter {
    /// Only those whose reason contains this, in either case
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those of this product
    #[arg(long, value_name = "ID")]
    product_id: Option<u64>,
    /// Only those of the group with this error, as `groups` shows it
    #[arg(long, value_name = "ERROR")]
    group: Option<String>,
    /// Only those that failed before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    failed_before: Option<Timestamp>,
}

#[derive(Debug, Args)]
struct Moved {
    /// Job of one dead letter; if unset, all that match
    #[arg(value_name = "JOB", conflicts_with_all = ["reason", "product_id", "group", "failed_before", "dry_run"])]
    job: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only count
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Discard {
    #[command(flatten)]
    moved: Moved,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Run for Queue {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let server = self.server.connect()?;
        match self.act {
            Act::Show => server.print_members(&Call::get("/queue")),
            Act::Jobs(Jobs { state, list }) => {
                let call = Call::get("/queue/jobs").query([("state", Some(state.as_str().to_owned()))]);
                server.print_list(call, &list, JOBS)
            }
            Act::Pause => server.act(&Call::post("/queue/pause"), |_| "the queue is paused".to_owned()),
            Act::Resume => server.act(&Call::post("/queue/resume"), |_| "the queue is running".to_owned()),
            Act::DeadLetters(DeadLetters { act }) => match act {
                LetterAct::List(Listed { filter, list }) => {
                    server.print_list(filter.on(Call::get(LETTERS_PATH), None), &list, LETTERS)
                }
                LetterAct::Groups(filter) => {
                    server.print_all(&filter.on(Call::get("/queue/dead-letter/groups"), None), GROUPS)
                }
                LetterAct::Retry(moved) => moved.retry(&server),
                LetterAct::Discard(Discard { moved, yes }) => moved.discard(&server, yes),
            },
        }
    }
}

const LETTERS_PATH: &str = "/queue/dead-letter";

impl Filter {
    /// The filter on a request; of two times, the given one.
    fn on(&self, call: Call, failed_before: Option<String>) -> Call {
        let given = self.failed_before.map(|time| time.to_string());
        call.query([
            ("reason", self.reason.clone()),
            ("productId", self.product_id.map(|id| id.to_string())),
            ("group", self.group.clone()),
            ("failedBefore", given.or(failed_before)),
        ])
    }
}

impl Moved {
    fn retry(&self, server: &Remote) -> Result<(), CommandError> {
        if let Some(job) = &self.job {
            let call = Call::post(&format!("{LETTERS_PATH}/{}/retry", encoded(job)));
            return server.act(&call, |job| format!("order {} is in the queue again", job["orderId"]));
        }
        let call = self.filter.on(Call::post("/queue/dead-letter/retry"), None);
        match self.dry_run {
            true => server.act(&dry(call), |counted| would(counted, "put back into the queue")),
            false => server.act(&call, |moved| done(moved, "put back into the queue")),
        }
    }

    /// All that match are counted first, and then exactly those are dropped.
    fn discard(&self, server: &Remote, yes: bool) -> Result<(), CommandError> {
        if let Some(job) = &self.job {
            confirm(&format!("discard the dead letter {}", plain(job)), yes)?;
            let call = Call::delete(&format!("{LETTERS_PATH}/{}", encoded(job)));
            return server.act(&call, |_| format!("discarded {}", plain(job)));
        }
        let counting = dry(self.filter.on(Call::delete(LETTERS_PATH), None));
        if self.dry_run {
            return server.act(&counting, |counted| would(counted, "discarded"));
        }
        let counted = server.value(&counting)?;
        confirm(&format!("discard {}", letters(&counted["matched"])), yes)?;
        let counted_at = counted["countedAt"].as_str().map(str::to_owned);
        server.act(&self.filter.on(Call::delete(LETTERS_PATH), counted_at), |moved| done(moved, "discarded"))
    }
}

fn dry(call: Call) -> Call {
    call.query([("dryRun", Some("true".to_owned()))])
}

fn letters(count: &Value) -> String {
    counted(count.as_u64().unwrap_or_default(), "dead letter")
}

fn done(moved: &Value, what: &str) -> String {
    let (matched, done) = (&moved["matched"], &moved["done"]);
    match matched == done {
        true => format!("{} {what}", letters(done)),
        false => format!("{} of {} {what}; the others could not be", shown(done), letters(matched)),
    }
}

/// What an act would do, and the units that it needs.
fn would(counted: &Value, what: &str) -> String {
    let mut out = format!("{} would be {what}", letters(&counted["matched"]));
    for need in counted["needs"].as_array().into_iter().flatten() {
        let units = |name: &str| with_commas(need[name].as_u64().unwrap_or_default());
        let name = plain(need["name"].as_str().unwrap_or_default());
        let (needed, left) = (units("unitsNeeded"), units("unitsLeft"));
        out.push_str(&format!("\n  product {} ({name}) needs {needed} units and has {left}", need["productId"]));
    }
    out
}

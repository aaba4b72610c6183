//! The arguments of the commands that look after a store.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::{self, ConfigError, Secret};
use crate::domain::clock::Timestamp;
use crate::domain::filter::{OrderFilter, Span};
use crate::domain::job::JobState;
use crate::domain::order::OrderStatus;
use crate::domain::product::ProductId;
use crate::maintenance::{Format, Subject};

use super::StoreArgs;
use super::values::{moment, within};

/// What `verify` is told.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    /// Where the store is.
    pub store: StoreArgs,
    /// Where to make the working file, about as large as the orders; beside the store unless said otherwise
    #[arg(long, value_name = "DIR")]
    pub scratch_dir: Option<PathBuf>,
}

/// What `backup` is told.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// File to write; it holds the store's secret and the buyers' names
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    /// Where the store is.
    pub store: StoreArgs,
    /// Back up through the running server at this address, not from DATA_DIR
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Token of the server
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// File with that token, in its place
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl BackupArgs {
    /// The operator's credential, where one was given.
    pub fn token(&self) -> Result<Option<Secret>, ConfigError> {
        config::secret("ADMIN_TOKEN", self.admin_token.clone(), self.admin_token_file.clone())
    }
}

/// What `restore` is told.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub backup: PathBuf,
    #[command(flatten)]
    /// Where the store goes.
    pub store: StoreArgs,
    /// Replace the store that is there; it is kept under another name
    #[arg(long)]
    pub force: bool,
}

/// What `drop-log` is told.
#[derive(Debug, Args)]
pub struct DropLogArgs {
    #[command(flatten)]
    /// Where the store is.
    pub store: StoreArgs,
    /// Go on without what is lost; without it nothing is changed
    #[arg(long)]
    pub yes: bool,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SubjectName {
    /// One row for each order.
    Orders,
    /// One row for each product.
    Products,
    /// One row for each job.
    Jobs,
    /// One row for each change of the history.
    Journal,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// For spreadsheets; a text that one would take for a formula gets an apostrophe before it
    Csv,
    /// One JSON object a line, everything as it is
    #[default]
    Ndjson,
}

/// What `export` is told.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// What to export
    subject: SubjectName,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    format: FormatName,
    /// File to write; standard output where none is named
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    /// Only orders of this status, or jobs in this state
    #[arg(long)]
    status: Option<String>,
    /// Only what is about this product
    #[arg(long, value_name = "ID", value_parser = within::<u64>(0..=u64::MAX))]
    product_id: Option<u64>,
    /// Only orders and jobs of this user
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// Only from this RFC 3339 time on
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only up to this RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    #[command(flatten)]
    /// Where the store is.
    pub store: StoreArgs,
}

impl ExportArgs {
    /// What is exported; the error says how the status and the subject do not fit.
    pub fn subject(&self) -> Result<Subject, String> {
        let status = self.status.as_deref();
        let unknown = |known: &str| Err(format!("--status must be one of {known}"));
        match (self.subject, status) {
            (SubjectName::Orders, None) => Ok(Subject::Orders(None)),
            (SubjectName::Orders, Some(word)) => match OrderStatus::ALL.into_iter().find(|it| it.as_str() == word) {
                Some(status) => Ok(Subject::Orders(Some(status))),
                None => unknown("pending, confirmed, failed, cancelled"),
            },
            (SubjectName::Jobs, None) => Ok(Subject::Jobs(None)),
            (SubjectName::Jobs, Some(word)) => match JobState::ALL.into_iter().find(|it| it.as_str() == word) {
                Some(state) => Ok(Subject::Jobs(Some(state))),
                None => unknown("waiting, prioritized, delayed, active, completed, failed"),
            },
            (SubjectName::Products, None) => Ok(Subject::Products),
            (SubjectName::Journal, None) => Ok(Subject::Journal),
            (_, Some(_)) => Err("--status is for orders and jobs only".to_owned()),
        }
    }

    /// Which rows are exported.
    pub fn filter(&self) -> OrderFilter {
        let product = self.product_id.map(ProductId);
        let accepted = Span { from: self.from, to: self.to };
        OrderFilter { product, user: self.user_id.clone(), accepted, ..OrderFilter::default() }
    }

    /// How they are written.
    pub const fn format(&self) -> Format {
        match self.format {
            FormatName::Csv => Format::Csv,
            FormatName::Ndjson => Format::Ndjson,
        }
    }
}

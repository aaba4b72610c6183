//! `flashsale export`.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use crate::domain::clock::Timestamp;
use crate::domain::filter::{OrderFilter, Span};
use crate::domain::product::ProductId;
use crate::maintenance::{self, Rows, Subject, counted};
use crate::view::rows::Format;
use crate::view::text::Words;

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::server_args::ServerArgs;
use super::shared_args::StoreArgs;
use super::values::{ValueError, moment, within};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SubjectName {
    /// One row per order
    Orders,
    /// One row per product
    Products,
    /// One row per job
    Jobs,
    /// One row per change in the history
    Journal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// For spreadsheets: a text that a spreadsheet would take for a formula gets a leading apostrophe
    Csv,
    /// One JSON object per line; texts are not changed
    #[default]
    Ndjson,
}

/// Export the orders, products, jobs or journal of a stopped store or a running server as CSV or NDJSON
#[derive(Debug, Args)]
pub(super) struct Export {
    /// What to export
    subject: SubjectName,
    /// Format of the rows
    #[arg(long, value_enum, default_value_t)]
    format: FormatName,
    /// File to write; if unset, rows go to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists, unless it is a store or its log: those are never replaced
    #[arg(long)]
    force: bool,
    /// Only orders with this status, or jobs in this state
    #[arg(long)]
    status: Option<String>,
    /// Only rows about this product
    #[arg(long, value_name = "ID", value_parser = within::<u64>(0..=u64::MAX))]
    product_id: Option<u64>,
    /// Only rows about this user
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// Only rows from this time on (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only rows up to this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Directory for the working copy of that server's store; if unset, that of --output, or the working directory
    #[arg(long, value_name = "DIR", requires = "server")]
    scratch_dir: Option<PathBuf>,
}

impl Run for Export {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let subject = self.subject().map_err(wrong_usage)?;
        let format = match self.format {
            FormatName::Csv => Format::Csv,
            FormatName::Ndjson => Format::Ndjson,
        };
        let source = self.server.source_or(&self.store)?;
        let file = self.output.as_deref();
        let beside = file.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty());
        let scratch_dir = self.scratch_dir.as_deref().or(beside).unwrap_or(Path::new("."));
        let rows = Rows { source, subject, filter: self.filter(), scratch_dir };
        let rows = maintenance::export(&rows, format, file, self.force)?;
        match file {
            Some(file) => say(&format!("{} has {}", file.display(), counted(rows, "row"))),
            None => Ok(()),
        }
    }
}

impl Export {
    /// What is exported, unless the status does not fit the subject.
    fn subject(&self) -> Result<Subject, ValueError> {
        match self.subject {
            SubjectName::Orders => Ok(Subject::Orders(self.status()?)),
            SubjectName::Jobs => Ok(Subject::Jobs(self.status()?)),
            _ if self.status.is_some() => Err(ValueError::NoStatus),
            SubjectName::Products => Ok(Subject::Products),
            SubjectName::Journal => Ok(Subject::Journal),
        }
    }

    /// The status as one of the subject's words.
    fn status<T: Words>(&self) -> Result<Option<T>, ValueError> {
        let Some(word) = &self.status else { return Ok(None) };
        let words = || T::ALL.iter().map(|value| value.word()).collect::<Vec<_>>().join(", ");
        T::of_word(word).map(Some).ok_or_else(|| ValueError::Status(words()))
    }

    /// Which rows are exported.
    fn filter(&self) -> OrderFilter {
        let product = self.product_id.map(ProductId);
        let accepted = Span { from: self.from, to: self.to };
        OrderFilter { product, user: self.user_id.clone(), accepted, ..OrderFilter::default() }
    }
}

/// An error as clap shows those that it finds itself.
fn wrong_usage(error: ValueError) -> clap::Error {
    let definition = clap::Command::new("export").bin_name("flashsale export");
    Export::augment_args(definition).error(ErrorKind::InvalidValue, error)
}

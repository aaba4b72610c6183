//! What every command is: something to run, and one error for all the ways in which it fails.

use std::io;
use std::path::PathBuf;

use crate::app::AppError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::maintenance::MaintenanceError;
use crate::mirror::{DatabaseError, MigrationFileError, MirrorError};
use crate::rehearsal::RehearsalError;
use crate::rehearsal::prepare::PrepareError;
use crate::report::ReportError;

use super::env_file::EnvFileError;
use super::misspelt::Misspelt;
use super::shared_args::{LogArgs, LogError};

/// Makes the definition of the whole command line, which completion scripts need.
pub(super) type Definition = fn() -> clap::Command;

/// A command with its arguments.
pub(super) trait Run {
    /// How the command logs. One without a log writes its warnings and its error to standard error.
    fn log(&self) -> Option<&LogArgs> {
        None
    }

    /// Does what the command is for.
    fn run(self, definition: Definition) -> Result<(), CommandError>;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// Wrong usage, or a request for help; clap has the words and the exit code for both.
    #[error(transparent)]
    Usage(Box<clap::Error>),
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    #[error(transparent)]
    Misspelt(#[from] Misspelt),
    #[error("cannot start: {0}")]
    Start(io::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A running server, by its URL.
    #[error("the server at {0} cannot be used: {1}{advice}", advice = advice(.1))]
    Server(String, #[source] ClientError),
    /// A running server, by its URL.
    #[error("the server at {0} was not prepared: {1}")]
    NotPrepared(String, #[source] PrepareError),
    #[error("nothing was changed; add --yes to {0} without being asked")]
    NotConfirmed(String),
    #[error("nothing was changed, as the question was not answered with yes")]
    Declined,
    #[error("{0} already has products, and nothing was created; the sample products are for an empty store")]
    NotEmpty(String),
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Migration(#[from] MigrationFileError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("the report has no name of its own if results come from standard input; give one with --output")]
    NoOutput,
    /// The list says why.
    #[error("a server with these settings would not start")]
    CannotStart,
    /// A file that a command writes or reads.
    #[error("{path} cannot be used: {1}", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error(transparent)]
    Rehearsal(#[from] RehearsalError),
    /// The verdict says which.
    #[error("the verdict does not hold")]
    VerdictBroken,
    /// The report says what is wrong.
    #[error("the store does not add up; restore a backup, and keep this store for an investigation")]
    Unsound,
    #[error("the backup does not add up; use another one")]
    UnsoundBackup,
    /// The analysis says of which products.
    #[error(
        "the sale does not add up; stop it, keep the data directory as it is, and run flashsale verify on a copy of it"
    )]
    SaleUnsound,
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl From<clap::Error> for CommandError {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}

/// What to do about it, where the error does not say so itself.
const fn advice(error: &ClientError) -> &'static str {
    match error {
        ClientError::Failed(_) | ClientError::TimedOut => "; start it, or give the URL of another one with --server",
        ClientError::WrongToken => "; set ADMIN_TOKEN to the server's",
        ClientError::NotTheApi => "; give the URL of a flashsale server with --server",
        _ => "",
    }
}

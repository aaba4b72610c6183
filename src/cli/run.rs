//! What every command is: something to run, and one error for all the ways in which it fails.

use std::io;

use crate::app::AppError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::maintenance::MaintenanceError;

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
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    /// The report says what is wrong.
    #[error("the store does not add up; restore a backup, and keep this store for an investigation")]
    Unsound,
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl From<clap::Error> for CommandError {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}

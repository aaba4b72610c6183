//! Arguments that commands share: where the store is; and how the server logs.
//!
//! The structs have no doc comments: clap would take them for the description of the command that they are part of.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::logging::Log;

use super::values::log_filter;

// Where the store is.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Directory of the store
    #[arg(long, env = "DATA_DIR", default_value = "./flashsale-data", value_name = "DIR")]
    pub(super) data_dir: PathBuf,
}

// What is logged, and how.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// What to log: a level, or levels by module, such as info or flashsale=debug,hyper=warn
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER", value_parser = log_filter)]
    log: String,
    /// Format of log lines
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_enum)]
    pub(super) log_format: LogFormat,
}

/// Why the log did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error("not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("cannot start the log: {0}")]
    Start(#[from] io::Error),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

impl LogArgs {
    /// Starts the process's log. From here on, everything on standard error goes through the log's thread, so that
    /// nothing waits for a reader.
    pub(super) fn start(&self) -> Result<(), LogError> {
        let filter = EnvFilter::try_new(&self.log)?;
        let log = Log::start()?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || log.clone());
        // Lines that fail are counted. An error about one, on standard error, would wait for a reader.
        let builder = builder.log_internal_errors(false);
        match self.log_format {
            LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
            LogFormat::Json => builder.json().flatten_event(true).init(),
        }
        // The default hook writes to standard error, and waits for a reader.
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map_or_else(String::new, ToString::to_string);
            let message = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(location, "a thread panicked, which is a defect of flashsale: {message}");
        }));
        Ok(())
    }
}

//! `flashsale backup`.

use std::path::PathBuf;

use clap::Args;

use crate::maintenance;

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::server_args::ServerArgs;
use super::shared_args::StoreArgs;

/// Write a whole store to one file, from a stopped store or through a running server
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// File to write; it holds the store's secret and the buyers' names
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if it exists, unless it is a store or its log: those are never replaced
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Run for Backup {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let source = self.server.source_or(&self.store)?;
        let contents = maintenance::backup(&source, &self.output, self.force)?;
        say(&format!("{} holds the store {}", self.output.display(), maintenance::moment(&contents)))
    }
}

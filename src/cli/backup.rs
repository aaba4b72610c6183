//! `flashsale backup`.

use std::path::PathBuf;

use clap::Args;

use crate::client::Client;
use crate::config;
use crate::maintenance::{self, Source};

use super::output::say;
use super::run::{CommandError, Definition, Run};
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
    /// URL of a running server to back up, instead of the store in --data-dir
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Admin token of that server
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// File that holds this token; use it instead of --admin-token
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl Run for Backup {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let token = config::secret("ADMIN_TOKEN", self.admin_token, self.admin_token_file)?;
        let source = match &self.server {
            Some(server) => Source::Running(Client::new(server, token.as_ref())?),
            None => Source::Stopped(&self.store.data_dir),
        };
        let contents = maintenance::backup(&source, &self.output, self.force)?;
        say(&format!("{} holds the store {}", self.output.display(), maintenance::moment(&contents)))
    }
}

//! The arguments of the commands that look after a store.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, ConfigError, Secret};

use super::StoreArgs;

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
    /// Token of the server (also from the file ADMIN_TOKEN_FILE)
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// File with the token of the server
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE", hide = true)]
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

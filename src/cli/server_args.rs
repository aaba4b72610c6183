//! Arguments of commands that work on a store, or on a running server in its place.

use std::path::PathBuf;

use clap::Args;

use crate::client::Client;
use crate::config::{self, Secret};
use crate::maintenance::Source;

use super::run::CommandError;
use super::shared_args::StoreArgs;

// A running server, which takes the place of the store in a directory.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// URL of a running server, which is used instead of the store in --data-dir
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// Admin token of that server
    #[arg(long, visible_alias = "token", env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// File that holds this token; use it instead of --admin-token
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl ServerArgs {
    /// Its admin token, if one is given.
    pub(super) fn token(&self) -> Result<Option<Secret>, CommandError> {
        Ok(config::secret("ADMIN_TOKEN", self.admin_token.clone(), self.admin_token_file.clone())?)
    }

    /// A client of the server, if one is named; nothing is sent yet.
    pub(super) fn client(&self) -> Result<Option<Client>, CommandError> {
        let token = self.token()?;
        Ok(self.server.as_deref().map(|server| Client::new(server, token.as_ref())).transpose()?)
    }

    /// The server, or else the store in its directory.
    pub(super) fn source_or<'s>(&self, store: &'s StoreArgs) -> Result<Source<'s>, CommandError> {
        Ok(self.client()?.map_or(Source::Stopped(&store.data_dir), Source::Running))
    }
}

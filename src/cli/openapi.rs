//! `flashsale openapi`.

use clap::Args;

use crate::{api, http};

use super::output::say;
use super::run::{CommandError, Definition, Run};

/// Print the API description (OpenAPI 3.1) as a server with an admin token serves it
#[derive(Debug, Args)]
pub(super) struct Openapi;

impl Run for Openapi {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        say(&api::description(http::TokensSet { admin: true, storefront: true }).trim_end())
    }
}

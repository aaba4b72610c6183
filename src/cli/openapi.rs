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
        let set = http::TokensSet { admin: true, storefront: true };
        say(&api::description(set, &http::PublicUrl::default()).trim_end())
    }
}

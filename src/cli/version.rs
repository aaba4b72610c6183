//! `flashsale version`.

use clap::Args;

use super::output::say;
use super::run::{CommandError, Definition, Run};

/// Print the version
#[derive(Debug, Args)]
pub(super) struct Version;

impl Run for Version {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        say(&format!("flashsale {}", env!("CARGO_PKG_VERSION")))
    }
}

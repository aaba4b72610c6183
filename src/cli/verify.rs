//! `flashsale verify`.

use std::path::PathBuf;

use clap::Args;

use crate::maintenance;

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::shared_args::StoreArgs;

/// Check a stopped store: its history has no gap, its tables match the history, and its sums add up
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    store: StoreArgs,
    /// Directory for the working file, which is about as large as the orders; if unset, the directory of the store
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
}

impl Run for Verify {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let report = maintenance::verify(&self.store.data_dir, self.scratch_dir.as_deref())?;
        say(&report)?;
        if report.is_sound() { Ok(()) } else { Err(CommandError::Unsound) }
    }
}

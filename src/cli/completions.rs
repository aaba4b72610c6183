//! `flashsale completions`.

use clap::Args;
use clap_complete::Shell;

use super::output::write_out;
use super::run::{CommandError, Definition, Run};

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Run for Completions {
    fn run(self, definition: Definition) -> Result<(), CommandError> {
        // Into memory first: the generators panic if a write fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition(), "flashsale", &mut script);
        write_out(&script)
    }
}

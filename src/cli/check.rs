//! `flashsale check`.

use clap::Args;

use crate::app::{self, Checked};

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::serve_args::ServeArgs;

/// Check the settings without a start: what would be in force, and what a sale would trip over
///
/// Starts nothing and changes nothing. Takes the options of `flashsale serve`.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    settings: ServeArgs,
}

impl Run for Check {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let config = self.settings.resolve()?;
        let Checked { in_force, has_store, blocking, trips } = app::check(&config);
        let store = if has_store { "there is one" } else { "there is none yet" };
        say(&format!("  store       {}: {store}\n{in_force}", config.data_dir.display()))?;
        list("What a sale would trip over:", &trips)?;
        list("Why it could not start:", &blocking)?;
        if trips.is_empty() && blocking.is_empty() {
            say(&"\nA server can start, and nothing was found that a sale would trip over.")?;
        }
        match blocking.is_empty() {
            true => Ok(()),
            false => Err(CommandError::CannotStart),
        }
    }
}

fn list(title: &str, sentences: &[String]) -> Result<(), CommandError> {
    if sentences.is_empty() {
        return Ok(());
    }
    say(&format!("\n{title}"))?;
    sentences.iter().try_for_each(|sentence| say(&format!("- {sentence}")))
}

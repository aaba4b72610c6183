//! Asks before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use super::run::CommandError;

/// Returns if `yes` was given or is the response to the question on a terminal. `act` says what would be done:
/// `delete product 3`.
pub(super) fn confirm(act: &str, yes: bool) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(CommandError::NotConfirmed(act.to_owned()));
    }
    let mut line = String::new();
    // If the question cannot be asked, the response is no.
    let asked = write!(io::stderr(), "{act}? [y/N] ").and_then(|()| io::stdin().lock().read_line(&mut line));
    match asked.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        true => Ok(()),
        false => Err(CommandError::Declined),
    }
}

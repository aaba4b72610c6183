//! What a command writes for people: results to standard output, warnings and its error to standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::logging;

use super::run::CommandError;

/// Writes a line to standard output.
pub(super) fn say(line: &impl Display) -> Result<(), CommandError> {
    write_out(format!("{line}\n").as_bytes())
}

/// Writes bytes to standard output.
pub(super) fn write_out(bytes: &[u8]) -> Result<(), CommandError> {
    write_more(bytes).map(|_| ())
}

/// Writes bytes to standard output; false when its reader has seen enough, as `head` has.
pub(super) fn write_more(bytes: &[u8]) -> Result<bool, CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CommandError::Output(error)),
    }
}

/// Writes a warning to standard error, for a command without a log.
pub(super) fn warn(warning: &impl Display) {
    // If standard error is closed, there is no other way to warn.
    let _ = writeln!(io::stderr(), "warning: {warning}");
}

/// Prints why a command failed, and gives its exit code.
pub(super) fn fail(error: &CommandError) -> ExitCode {
    if let CommandError::Usage(error) = error {
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let line = format!("error: {error}\n");
    // Once there is a log, through its thread: writing to standard error may wait for a reader without end. If standard
    // error is closed, the exit code is all that is left.
    let _ = match logging::started() {
        Some(mut log) => log.write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
    ExitCode::FAILURE
}

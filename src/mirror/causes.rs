//! Errors of clients, as one sentence.

use std::error::Error;

/// An error with its causes, in one line: those of the clients say little alone. A cause that the text has already is
/// not repeated.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text.replace(['\r', '\n'], " ")
}

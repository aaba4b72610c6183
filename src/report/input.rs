//! Reads a file, finds out what wrote it, and makes a run of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::domain::clock::TimeError;
use crate::limits::MAX_REPORT_BYTES;
use crate::view::load_test::{FORMAT, VERSION};

use super::run::{InputFile, Run};
use super::{artillery, rehearsal};

/// Why a file gives no report. Each message is a sentence that begins with the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Read(String, io::Error),
    /// There is nothing in it.
    #[error("{0} is empty; give the results of a load test")]
    Empty(String),
    /// It is longer than any results.
    #[error("{0} has more than {max} MiB, which no results of a load test have", max = MAX_REPORT_BYTES >> 20)]
    TooLong(String),
    /// It ends too early.
    #[error("{0} ends in the middle: the file is truncated")]
    Truncated(String),
    /// It is no JSON.
    #[error("{0} is not JSON: {1}")]
    NotJson(String, serde_json::Error),
    /// It is JSON of another kind.
    #[error("{0} has neither the results of `flashsale rehearse` nor those of Artillery 2 with --output")]
    Unknown(String),
    /// Another version of this program wrote it.
    #[error("{0} has version {1} of the results; this flashsale reads version {VERSION}")]
    Version(String, u64),
    /// It has the right kind, and a field that is not as it must be.
    #[error("{0} has results that do not fit their kind: {1}")]
    Misshapen(String, serde_json::Error),
    /// Its time cannot be read.
    #[error("{0} has a start that is not a time: {1}")]
    Time(String, TimeError),
    /// Nothing was measured, or over a time that cannot be drawn.
    #[error("{0} {1}")]
    Span(String, &'static str),
    /// The template failed.
    #[error("the report cannot be written: {0}")]
    Draw(#[from] askama::Error),
}

/// What tells the kinds of files apart.
#[derive(Deserialize)]
struct Mark {
    format: Option<String>,
    version: Option<u64>,
    aggregate: Option<IgnoredAny>,
    intermediate: Option<IgnoredAny>,
}

/// Reads the results of a load test from a file, or from standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Run, ReportError> {
    let is_stdin = path.as_os_str() == "-";
    let name = match is_stdin {
        true => "standard input".to_owned(),
        false => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    };
    let shown = if is_stdin { name.clone() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    // One byte more than may be there.
    let read = match is_stdin {
        true => io::stdin().lock().take(MAX_REPORT_BYTES + 1).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(MAX_REPORT_BYTES + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| ReportError::Read(shown.clone(), error))?;
    parse(&name, shown, &bytes)
}

/// Whether the text ends amid a number, which is an error of its own for the parser.
fn ends_in_a_number(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|last| b".eE+-".contains(last))
}

/// Makes a run of a file's bytes. `shown` names the file in errors.
pub(super) fn parse(name: &str, shown: String, bytes: &[u8]) -> Result<Run, ReportError> {
    if bytes.len() as u64 > MAX_REPORT_BYTES {
        return Err(ReportError::TooLong(shown));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ReportError::Empty(shown));
    }
    let mark: Mark = match serde_json::from_slice(bytes) {
        Ok(mark) => mark,
        Err(error) if error.is_eof() || ends_in_a_number(bytes) => return Err(ReportError::Truncated(shown)),
        Err(error) if error.is_syntax() => return Err(ReportError::NotJson(shown, error)),
        Err(_) => return Err(ReportError::Unknown(shown)),
    };
    let hash = hmac_sha256::Hash::hash(bytes);
    let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = InputFile { name: name.to_owned(), bytes: bytes.len() as u64, sha256 };
    let misshapen = |error| ReportError::Misshapen(shown.clone(), error);
    match (mark.format.as_deref(), mark.version) {
        (Some(FORMAT), Some(version)) if version == u64::from(VERSION) => {
            let view = serde_json::from_slice(bytes).map_err(misshapen)?;
            rehearsal::run(view, file).map_err(|error| ReportError::Time(shown, error))
        }
        (Some(FORMAT), version) => Err(ReportError::Version(shown, version.unwrap_or(0))),
        (None, _) if mark.aggregate.is_some() && mark.intermediate.is_some() => {
            let output = serde_json::from_slice(bytes).map_err(misshapen)?;
            artillery::run(&output, file).map_err(|why| ReportError::Span(shown, why))
        }
        _ => Err(ReportError::Unknown(shown)),
    }
}

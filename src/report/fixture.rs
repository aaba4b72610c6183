//! Runs for the tests: the files that the tests of the command read too.

use crate::view::load_test::LoadTestView;

use super::input;
use super::run::{InputFile, Run};

/// A rehearsal of three minutes, with a kill and one broken check.
pub(super) const REHEARSAL: &str = include_str!("../../tests/it/life/report/rehearsal.json");
/// Half a minute of Artillery, in which nobody responded for ten seconds.
pub(super) const ARTILLERY: &str = include_str!("../../tests/it/life/report/artillery.json");

/// The same after an audit of the responses, in which one check does not hold.
pub(super) const AUDIT: &str = include_str!("../../tests/it/life/report/audit.json");

/// [`ARTILLERY`] with [`AUDIT`], as the load tests of this program write both.
pub(super) fn audited() -> String {
    let whole = ARTILLERY.trim_end().strip_suffix('}').unwrap();
    format!("{whole},\n \"flashsale\": {AUDIT}}}")
}

pub(super) fn rehearsal() -> LoadTestView {
    serde_json::from_str(REHEARSAL).unwrap()
}

pub(super) fn file(name: &str) -> InputFile {
    InputFile { name: name.to_owned(), bytes: 1, sha256: "00".to_owned() }
}

/// The run that a text describes.
pub(super) fn run(text: &str) -> Run {
    input::parse("run.json", "run.json".to_owned(), text.as_bytes()).unwrap()
}

/// The run of a rehearsal that was changed.
pub(super) fn changed(change: impl FnOnce(&mut LoadTestView)) -> Run {
    let mut view = rehearsal();
    change(&mut view);
    run(&serde_json::to_string(&view).unwrap())
}

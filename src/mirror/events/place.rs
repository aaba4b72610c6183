//! How far the events are, in a file of its own beside the store.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::domain::clock::Timestamp;
use crate::limits::EVENTS_POSITION_BYTES;
use crate::mirror::position::Position;
use crate::regular_file;

/// The file, and the one that is written beside it.
const FILE_NAME: &str = "events-position";
const NEW_FILE_NAME: &str = "events-position.new";

/// What the file begins with; another number is another format.
const FORMAT: &str = "flashsale-events 1";

/// Everything that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Through {
    /// The last record.
    pub(super) position: Position,
    /// The time through which the windows of sales were looked at.
    pub(super) looked: Timestamp,
}

/// Where that is kept; nowhere for a store without a directory.
#[derive(Debug)]
pub(super) struct Place(Option<PathBuf>);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("it is damaged, or of another version")]
    Damaged,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Place {
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        Self(data_dir.map(Path::to_owned))
    }

    /// What is kept, if anything is.
    pub(super) fn read(&self) -> Result<Option<Through>, PlaceError> {
        let Some(directory) = &self.0 else { return Ok(None) };
        match regular_file::read_text(&directory.join(FILE_NAME), EVENTS_POSITION_BYTES) {
            Ok(text) => parse(&text).map(Some).ok_or(PlaceError::Damaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // No text, too long, or no file.
            Err(error) if error.kind() == io::ErrorKind::InvalidData || regular_file::is_unfit(&error) => {
                Err(PlaceError::Damaged)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps it: after a crash the file is as it was, or as it is now.
    pub(super) fn write(&self, through: Through) -> io::Result<()> {
        let Some(directory) = &self.0 else { return Ok(()) };
        let new = directory.join(NEW_FILE_NAME);
        let mut file = regular_file::open_own(&new, OpenOptions::new().write(true).create(true).truncate(true), 0)?;
        file.write_all(text(through).as_bytes())?;
        file.sync_data()?;
        // Where a crash undoes this, some events come again.
        fs::rename(new, directory.join(FILE_NAME))
    }
}

fn text(through: Through) -> String {
    let Through { position: Position { history, sequence }, looked } = through;
    let lines = format!("{FORMAT}\n{history} {sequence} {}\n", looked.millis());
    format!("{lines}{}\n", blake3::hash(lines.as_bytes()).to_hex())
}

fn parse(text: &str) -> Option<Through> {
    let rest = text.strip_prefix(FORMAT)?.strip_prefix('\n')?;
    let (kept, _) = rest.split_once('\n')?;
    let [history, sequence, looked] = kept.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let position = Position::parse(history, sequence.parse().ok()?)?;
    let through = Through { position, looked: Timestamp::from_millis(looked.parse().ok()?) };
    (self::text(through) == text).then_some(through)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::HistoryId;

    fn through(sequence: u64) -> Through {
        let position = Position { history: HistoryId([0xa7; 16]), sequence };
        Through { position, looked: Timestamp::from_millis(1_700_000_000_123) }
    }

    #[test]
    fn the_last_one_that_was_written_is_read_and_nothing_that_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(Some(directory.path()));
        assert!(place.read().unwrap().is_none());
        for sequence in [0, 7, u64::MAX] {
            place.write(through(sequence)).unwrap();
            assert_eq!(place.read().unwrap(), Some(through(sequence)));
        }
        let file = directory.path().join(FILE_NAME);
        let whole = fs::read_to_string(&file).unwrap();
        let other = whole.replace("events 1", "events 2");
        for (at, _) in whole.char_indices() {
            let (before, after) = whole.split_at(at);
            let changed = format!("{before}~{}", &after[1..]);
            for damaged in [before, &changed, &format!("{whole}{before} "), &other] {
                fs::write(&file, damaged).unwrap();
                assert!(matches!(place.read(), Err(PlaceError::Damaged)), "{damaged}");
            }
        }
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(matches!(place.read(), Err(PlaceError::Damaged)));
    }

    #[test]
    fn without_a_directory_nothing_is_kept() {
        let place = Place::new(None);
        place.write(through(1)).unwrap();
        assert!(place.read().unwrap().is_none());
    }
}

//! The file of the history: a head, then a slot of fixed size for each point of each tier and for each event. A slot
//! has a checksum over its place and its bytes, so one that was torn is known, and the rest is read.
//!
//! Nothing is synced: what was written before the process was killed is there, and a loss of power costs what the
//! system had not written out, which is some seconds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::domain::series::Series;
use crate::limits::{HISTORY_EVENTS, HISTORY_TIERS};
use crate::regular_file;

use super::events::{EVENT_BYTES, Event, Events};
use super::point::{POINT_BYTES, Point};
use super::rings::{Rings, SlotId};

/// Its name in the data directory.
const NAME: &str = "metrics-history";
/// What a file that cannot be used is renamed to.
const ASIDE: &str = "metrics-history.aside";
/// The first bytes of the file, and the version of its layout.
const MAGIC: &[u8; 24] = b"flashsale history 1\n\0\0\0\0";
/// Where the slots begin.
const HEAD_BYTES: usize = 64;
/// Bytes of a checksum.
const SUM_BYTES: usize = 8;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Point(SlotId),
    Event(usize),
}

/// What was read from a file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) rings: Rings,
    pub(super) events: Events,
    /// Slots whose checksum was wrong.
    pub(super) torn: usize,
}

/// The open file.
#[derive(Debug)]
pub(super) struct HistoryFile(File);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it is not a file of this version")]
    Foreign,
    #[error("it has {0} bytes instead of {total}", total = total_bytes())]
    Length(u64),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl HistoryFile {
    /// Opens the file in a data directory and reads it. One that cannot be used is put aside, with a warning, and
    /// another one is begun. An error is that of beginning one.
    pub(super) fn open(data_dir: &Path) -> io::Result<(Self, Kept)> {
        let path = data_dir.join(NAME);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::create(&path),
            _ => {}
        }
        match Self::read(&path) {
            Ok(opened) => Ok(opened),
            Err(reason) => {
                let aside: PathBuf = data_dir.join(ASIDE);
                tracing::warn!(
                    file = %path.display(), aside = %aside.display(), %reason,
                    "the history of the figures cannot be used; it is put aside, and another one is begun"
                );
                fs::rename(&path, aside)?;
                Self::create(&path)
            }
        }
    }

    fn create(path: &Path) -> io::Result<(Self, Kept)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = regular_file::open_own(path, &mut options, 0)?;
        // Unwritten parts take no space.
        file.set_len(total_bytes())?;
        file.write_all_at(&head(), 0)?;
        Ok((Self(file), Kept::default()))
    }

    fn read(path: &Path) -> Result<(Self, Kept), Unusable> {
        let mut file = regular_file::open_own(path, OpenOptions::new().read(true).write(true), 0)?;
        let length = file.metadata()?.len();
        let mut begin = [0; HEAD_BYTES];
        if length < HEAD_BYTES as u64 || file.read_exact(&mut begin).is_err() || begin != head() {
            return Err(Unusable::Foreign);
        }
        if length != total_bytes() {
            return Err(Unusable::Length(length));
        }
        let mut kept = Kept::default();
        let mut events = Vec::new();
        let mut reader = io::BufReader::with_capacity(1 << 20, &mut file);
        for slot in all_slots() {
            let mut bytes = vec![0; bytes_of(slot)];
            reader.read_exact(&mut bytes)?;
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            let (body, sum) = bytes.split_at(bytes.len() - SUM_BYTES);
            let body = (sum == checksum(slot, body)).then_some(body);
            let known = match slot {
                Slot::Point(id) => body.and_then(Point::decode).map(|point| kept.rings.put(id, point)),
                Slot::Event(slot) => body.and_then(|body| Event::decode(body, slot)).map(|event| events.push(event)),
            };
            kept.torn += usize::from(known.is_none());
        }
        kept.events.replace(events);
        Ok((Self(file), kept))
    }

    /// Writes slots. Blocks.
    pub(super) fn write(&self, slots: &[(Slot, Vec<u8>)]) -> io::Result<()> {
        for (slot, body) in slots {
            let mut bytes = body.clone();
            bytes.extend(checksum(*slot, body));
            self.0.write_all_at(&bytes, offset(*slot))?;
        }
        Ok(())
    }
}

/// The head: the layout, and which series there are.
fn head() -> [u8; HEAD_BYTES] {
    let words: Vec<_> = Series::ALL.iter().map(|series| series.as_str()).collect();
    let layout = format!("{HISTORY_TIERS:?} {HISTORY_EVENTS} {EVENT_BYTES} {}", words.join(" "));
    let mut head = [0; HEAD_BYTES];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[MAGIC.len()..][..32].copy_from_slice(blake3::hash(layout.as_bytes()).as_bytes());
    head
}

fn checksum(slot: Slot, body: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&offset(slot).to_le_bytes()).update(body);
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..SUM_BYTES]);
    sum
}

fn all_slots() -> impl Iterator<Item = Slot> {
    let points = HISTORY_TIERS.iter().enumerate();
    let points = points.flat_map(|(tier, kind)| (0..kind.slots).map(move |slot| Slot::Point(SlotId { tier, slot })));
    points.chain((0..HISTORY_EVENTS).map(Slot::Event))
}

const fn bytes_of(slot: Slot) -> usize {
    match slot {
        Slot::Point(_) => POINT_BYTES + SUM_BYTES,
        Slot::Event(_) => EVENT_BYTES + SUM_BYTES,
    }
}

fn offset(slot: Slot) -> u64 {
    let points = |tier: usize| HISTORY_TIERS[..tier].iter().map(|tier| tier.slots).sum::<usize>();
    let (points, events) = match slot {
        Slot::Point(id) => (points(id.tier) + id.slot, 0),
        Slot::Event(slot) => (points(HISTORY_TIERS.len()), slot),
    };
    (HEAD_BYTES + points * (POINT_BYTES + SUM_BYTES) + events * (EVENT_BYTES + SUM_BYTES)) as u64
}

fn total_bytes() -> u64 {
    offset(Slot::Event(HISTORY_EVENTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(file: &HistoryFile) {
        let mut rings = Rings::default();
        let slots = rings.record(7, &[Some(1.5); Series::COUNT]);
        let encoded = slots.map(|id| {
            let mut bytes = Vec::new();
            rings.slot(id).unwrap().encode(&mut bytes);
            (Slot::Point(id), bytes)
        });
        file.write(&encoded).unwrap();
    }

    #[test]
    fn what_was_written_is_read_again_and_a_torn_slot_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (file, kept) = HistoryFile::open(dir.path()).unwrap();
        assert!(kept.rings.fold(7, 1).is_none() && kept.torn == 0);
        filled(&file);
        let (_, kept) = HistoryFile::open(dir.path()).unwrap();
        assert_eq!(kept.rings.fold(7, 1).unwrap().figures(Series::Visitors).unwrap().mean, 1.5);
        let torn = offset(Slot::Point(SlotId { tier: 0, slot: 7 })) + 20;
        file.0.write_all_at(b"torn", torn).unwrap();
        let (_, kept) = HistoryFile::open(dir.path()).unwrap();
        assert_eq!(kept.torn, 1);
        assert!(kept.rings.slot(SlotId { tier: 0, slot: 7 }).is_none());
        assert!(kept.rings.fold(0, 10).is_some(), "the tier above still has it");
    }

    #[test]
    fn a_slot_of_another_place_is_not_taken_for_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = HistoryFile::open(dir.path()).unwrap();
        filled(&file);
        let mut bytes = vec![0; POINT_BYTES + SUM_BYTES];
        file.0.read_exact_at(&mut bytes, offset(Slot::Point(SlotId { tier: 0, slot: 7 }))).unwrap();
        file.0.write_all_at(&bytes, offset(Slot::Point(SlotId { tier: 0, slot: 8 }))).unwrap();
        assert_eq!(HistoryFile::open(dir.path()).unwrap().1.torn, 1);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_put_aside_and_another_one_is_begun() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let aside = dir.path().join(ASIDE);
        let make = |what: &str| match what {
            "empty" => fs::write(&path, b"").unwrap(),
            "foreign" => fs::write(&path, vec![b'x'; 100_000]).unwrap(),
            "cut off" => {
                let (file, _) = HistoryFile::open(dir.path()).unwrap();
                file.0.set_len(total_bytes() - 1).unwrap();
            }
            "a link" => std::os::unix::fs::symlink("/dev/null", &path).unwrap(),
            _ => fs::create_dir(&path).unwrap(),
        };
        for what in ["empty", "foreign", "cut off", "a link", "a directory"] {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_file(&aside);
            make(what);
            let (file, kept) = HistoryFile::open(dir.path()).unwrap();
            assert!(fs::symlink_metadata(&aside).is_ok(), "{what} is aside");
            assert_eq!(kept.torn, 0, "{what}");
            filled(&file);
            assert!(HistoryFile::open(dir.path()).unwrap().1.rings.fold(7, 1).is_some(), "{what}");
        }
    }
}

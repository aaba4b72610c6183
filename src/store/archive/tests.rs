//! A backup is read back as it was written, or rejected.

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;
use crate::store::format::FORMAT;

use super::error::ArchiveError;
use super::form::{Contents, FRAME_BYTES, FRAME_HEAD_BYTES, HASH_BYTES, HEAD_BYTES, VERSION};
use super::reader::Reader;
use super::writer::Writer;

fn backup() -> Vec<u8> {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let contents = Contents { format: FORMAT, sequence: 7, at, rows: 303, history: HistoryId([9; 16]) };
    let mut writer = Writer::new(Vec::new(), contents).unwrap();
    for table in [0, 2, 3] {
        writer.begin(table).unwrap();
        for n in 0..100_u64 {
            writer.row(&n.to_le_bytes(), &vec![table; n as usize % 50]).unwrap();
        }
    }
    writer.begin(3).unwrap();
    for n in 100..103_u64 {
        writer.row(&n.to_le_bytes(), &vec![9; FRAME_BYTES]).unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<u64, ArchiveError> {
    let mut reader = Reader::new(bytes)?;
    while reader.next()?.is_some() {}
    Ok(reader.rows_read())
}

#[test]
fn a_backup_is_read_back() {
    let bytes = backup();
    assert_eq!(read(&bytes).unwrap(), 303);
    let mut reader = Reader::new(bytes.as_slice()).unwrap();
    assert_eq!((reader.contents().sequence, reader.contents().history), (7, HistoryId([9; 16])));
    let frame = reader.next().unwrap().unwrap();
    assert_eq!(frame.table, 0);
    let rows: Vec<_> = frame.rows.collect();
    assert_eq!((rows.len(), rows[3]), (100, (3_u64.to_le_bytes().as_slice(), [0; 3].as_slice())));
}

#[test]
fn no_flipped_bit_gets_through() {
    let mut bytes = backup();
    // All bits of what is beside rows, and a sample of those in rows.
    let end = bytes.len() - 256;
    let places = (0..12_000).chain((12_000..end).step_by(997)).chain(end..bytes.len());
    for place in places {
        for bit in 0..8 {
            bytes[place] ^= 1 << bit;
            let refused = read(&bytes);
            assert!(
                matches!(refused, Err(ArchiveError::Damaged { .. } | ArchiveError::NotABackup)),
                "bit {bit} of byte {place}: {refused:?}"
            );
            bytes[place] ^= 1 << bit;
            if place > 2_000 && place < end {
                break;
            }
        }
    }
}

#[test]
fn a_cut_backup_is_reported_as_cut() {
    let bytes = backup();
    let lengths = (0..12_000).chain((12_000..bytes.len() - 300).step_by(1_009)).chain(bytes.len() - 300..bytes.len());
    for len in lengths {
        match (len, read(&bytes[..len])) {
            (0..16, Err(ArchiveError::NotABackup)) => {}
            (_, Err(ArchiveError::CutOff { at })) => assert_eq!(at, len as u64),
            (_, other) => panic!("cut to {len} bytes: {other:?}"),
        }
    }
}

#[test]
fn frames_that_are_missing_doubled_or_behind_the_end_are_refused() {
    let bytes = backup();
    let frame = |from: usize| {
        from + FRAME_HEAD_BYTES
            + HASH_BYTES
            + u32::from_le_bytes(bytes[from + 8..from + 12].try_into().unwrap()) as usize
    };
    let (first, second) = (HEAD_BYTES, frame(HEAD_BYTES));
    let third = frame(second);
    let missing = [&bytes[..first], &bytes[second..]].concat();
    let doubled = [&bytes[..second], &bytes[first..]].concat();
    let swapped = [&bytes[..first], &bytes[second..third], &bytes[first..second], &bytes[third..]].concat();
    let longer = [bytes.as_slice(), b"x"].concat();
    let twice = [bytes.as_slice(), bytes.as_slice()].concat();
    for wrong in [missing, doubled, swapped, longer, twice] {
        assert!(matches!(read(&wrong), Err(ArchiveError::Damaged { .. })));
    }
}

#[test]
fn a_later_form_and_another_file_are_told_apart() {
    let mut bytes = backup();
    assert!(matches!(read(b"PK\x03\x04 something else altogether"), Err(ArchiveError::NotABackup)));
    let (form, format) = (format!("form {}", VERSION + 1), format!("format {}", FORMAT + 1));
    for (at, newer) in [(16, form), (20, format)] {
        bytes[at] += 1;
        let hash = blake3::hash(&bytes[..HEAD_BYTES - HASH_BYTES]);
        bytes[HEAD_BYTES - HASH_BYTES..HEAD_BYTES].copy_from_slice(hash.as_bytes());
        assert!(read(&bytes).unwrap_err().to_string().contains(&newer));
        bytes[at] -= 1;
    }
}

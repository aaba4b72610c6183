//! Writing a backup, frame by frame.

use std::io::{self, Write};

use crate::store::tables::definitions::NAMES;

use super::form::{Contents, END, FRAME_BYTES, FRAME_HEAD_BYTES, HEAD_BYTES, MAGIC, MAX_FRAME_BYTES, ROWS, VERSION};

/// Writes a backup, frame by frame.
pub(super) struct Writer<W> {
    out: W,
    /// Over everything written so far.
    whole: blake3::Hasher,
    frames: u32,
    table: u8,
    rows: u32,
    buffer: Vec<u8>,
    counts: [u64; NAMES.len()],
}

impl<W: Write> Writer<W> {
    /// Writes the head.
    pub(super) fn new(out: W, contents: Contents) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend(MAGIC);
        head.extend(VERSION.to_le_bytes());
        head.extend(contents.format.to_le_bytes());
        head.extend(contents.sequence.to_le_bytes());
        head.extend(contents.at.millis().to_le_bytes());
        head.extend(contents.rows.to_le_bytes());
        head.extend(contents.history.0);
        head.extend(blake3::hash(&head).as_bytes());
        let (whole, buffer) = (blake3::Hasher::new(), Vec::with_capacity(FRAME_BYTES));
        let mut writer = Self { out, whole, frames: 0, table: 0, rows: 0, buffer, counts: [0; NAMES.len()] };
        writer.put(&head)?;
        Ok(writer)
    }

    /// Begins a later table.
    pub(super) fn begin(&mut self, table: u8) -> io::Result<()> {
        self.flush(ROWS)?;
        self.table = table;
        Ok(())
    }

    /// Adds a row to the table under way. A key has at most 64 KiB.
    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = || io::Error::other("a row is too long for a backup");
        let key_len = u16::try_from(key.len()).map_err(|_| too_long())?;
        let value_len =
            u32::try_from(value.len()).ok().filter(|len| *len < MAX_FRAME_BYTES / 2).ok_or_else(too_long)?;
        self.buffer.extend(key_len.to_le_bytes());
        self.buffer.extend(key);
        self.buffer.extend(value_len.to_le_bytes());
        self.buffer.extend(value);
        self.rows += 1;
        self.counts[usize::from(self.table)] += 1;
        if self.buffer.len() >= FRAME_BYTES { self.flush(ROWS) } else { Ok(()) }
    }

    /// Writes the end, without which a backup is none.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.flush(ROWS)?;
        self.table = 0;
        self.buffer.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        self.flush(END)?;
        let whole = self.whole.finalize();
        self.out.write_all(whole.as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush(&mut self, kind: u8) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = u32::try_from(self.buffer.len()).map_err(io::Error::other)?;
        let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
        head.extend([kind, self.table, 0, 0]);
        head.extend(self.rows.to_le_bytes());
        head.extend(bytes.to_le_bytes());
        head.extend(self.frames.to_le_bytes());
        head.extend(&blake3::hash(&head).as_bytes()[..16]);
        let mut rows = std::mem::take(&mut self.buffer);
        let hash = blake3::hash(&rows);
        self.put(&head)?;
        self.put(&rows)?;
        self.put(hash.as_bytes())?;
        rows.clear();
        self.buffer = rows;
        self.frames += 1;
        self.rows = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.whole.update(bytes);
        self.out.write_all(bytes)
    }
}

//! A file that is read and never written: what is written stays in memory, covers the file, and is forgotten at the
//! end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::FileBackend;

/// Bytes of one block of the overlay.
const BLOCK: usize = 4096;

/// A file that is only read, below what was written over it. Bounded by what a repair writes, which is a small
/// part, and by what the log has to say.
#[derive(Debug)]
pub(in crate::store) struct Overlay {
    file: FileBackend,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    /// Up to here the file shows through; beyond it are zeros.
    file_len: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

impl Overlay {
    pub(in crate::store) fn over(file: &Path) -> io::Result<Self> {
        let file = File::open(file)?;
        let len = file.metadata()?.len();
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Self { file, written: Mutex::new(Written { len, file_len: len, blocks: BTreeMap::new() }) })
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.written.lock().len == 0
    }

    /// Fills `out` from the file, with zeros where the file shows nothing.
    fn read_below(&self, file_len: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(file_len.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (shown, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if shown.is_empty() { Ok(()) } else { self.file.read(offset, shown) }
    }
}

/// The parts of `offset..offset + len` by block: the block's number, where the part begins in it, and its range in the
/// whole.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let begin = (at % BLOCK as u64) as usize;
        let part = done..len.min(done + BLOCK - begin);
        done = part.end;
        Some((at / BLOCK as u64, begin, part))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written.lock();
        if offset + out.len() as u64 > written.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_below(written.file_len, offset, out)?;
        if !written.blocks.is_empty() {
            for (block, begin, part) in parts(offset, out.len()) {
                if let Some(bytes) = written.blocks.get(&block) {
                    let len = part.len();
                    out[part].copy_from_slice(&bytes[begin..begin + len]);
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written.lock();
        written.file_len = written.file_len.min(len);
        written.blocks.retain(|block, _| block * (BLOCK as u64) < len);
        let cut = (len % BLOCK as u64) as usize;
        if let Some(last) = written.blocks.get_mut(&(len / BLOCK as u64)) {
            last[cut..].fill(0);
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written.lock();
        let file_len = written.file_len;
        for (block, begin, part) in parts(offset, data.len()) {
            let bytes = match written.blocks.entry(block) {
                Entry::Occupied(bytes) => bytes.into_mut(),
                Entry::Vacant(vacant) => {
                    let mut bytes = Box::new([0; BLOCK]);
                    self.read_below(file_len, block * BLOCK as u64, bytes.as_mut_slice())?;
                    vacant.insert(bytes)
                }
            };
            bytes[begin..begin + part.len()].copy_from_slice(&data[part]);
        }
        written.len = written.len.max(offset + data.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20_000u64, prop::collection::vec(any::<u8>(), 1..6_000)).prop_map(|(at, data)| Step::Write(at, data)),
            (0..20_000u64).prop_map(Step::SetLen),
        ]
    }

    proptest! {
        /// The overlay reads like a file that was really written, and the file below stays as it was.
        #[test]
        fn an_overlay_reads_like_a_file_that_was_written(steps in prop::collection::vec(any_step(), 0..12)) {
            let original: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&original).unwrap();
            let overlay = Overlay::over(file.path()).unwrap();
            let mut model = original.clone();
            for step in steps {
                match step {
                    Step::Write(at, data) => {
                        let end = at as usize + data.len();
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&data);
                        overlay.write(at, &data).unwrap();
                    }
                    Step::SetLen(len) => {
                        model.resize(len as usize, 0);
                        overlay.set_len(len).unwrap();
                    }
                }
                let mut read = vec![0; model.len()];
                overlay.read(0, &mut read).unwrap();
                prop_assert!(read == model);
                prop_assert!(overlay.read(1, &mut read).is_err() || model.is_empty());
            }
            prop_assert!(std::fs::read(file.path()).unwrap() == original);
        }
    }
}

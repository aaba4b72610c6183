//! A file whose making was cut short.
//!
//! redb gives a new file its length first and its first word last. A process that dies in between leaves a file that
//! is neither empty nor a database; as it cannot hold an order yet, it is emptied and made again.

use std::fs::File;
use std::io::Result;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::{Medium, Part};

/// The length of the word that every database starts with.
const FIRST_WORD: usize = 9;
/// Everything that is written before the first word is on the first page.
const FIRST_PAGE: usize = 4096;
/// No file is longer when its first word is written.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Empties the medium if it is such a file, and says whether it was. Whatever else it may be is left alone.
pub(super) fn clear(medium: &Medium) -> Result<bool> {
    match medium {
        Medium::Backend { open, .. } => clear_backend(&*open(Part::Tables)),
        Medium::File(path) => {
            let file = File::options().read(true).write(true).open(path)?;
            // Whoever makes a store has the same lock.
            if file.try_lock().is_err() {
                return Ok(false);
            }
            let backend = FileBackend::new(file.try_clone()?).map_err(std::io::Error::other)?;
            clear_backend(&backend)
        }
    }
}

fn clear_backend(backend: &dyn StorageBackend) -> Result<bool> {
    let length = backend.len()?;
    if length > MOST_BYTES {
        return Ok(false);
    }
    let mut bytes = vec![0; length as usize];
    backend.read(0, &mut bytes)?;
    let unfinished = bytes.iter().take(FIRST_WORD).chain(bytes.iter().skip(FIRST_PAGE)).all(|byte| *byte == 0);
    if unfinished {
        backend.set_len(0)?;
        backend.sync_data()?;
    }
    Ok(unfinished)
}

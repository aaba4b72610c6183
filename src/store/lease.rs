//! The bytes of a store, lent to one opening of it and taken back when that has failed.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::RwLock;
use redb::StorageBackend;

/// The tables' bytes as one opening of the store has them. A reader can keep a database of redb alive for as long as it
/// likes; so when an opening has failed, its database is cut off from the bytes instead of waited for. redb's own locks
/// are not passed on: the file stays locked over all openings.
#[derive(Clone, Debug)]
pub(in crate::store) struct Lease(Arc<RwLock<Option<Arc<dyn StorageBackend>>>>);

impl Lease {
    pub(in crate::store) fn new(backend: Arc<dyn StorageBackend>) -> Self {
        Self(Arc::new(RwLock::new(Some(backend))))
    }

    /// From here on whatever is read or written through it fails. Returns when what is under way has ended, so that no
    /// late write meets those of the next opening.
    pub(in crate::store) fn revoke(&self) {
        self.0.write().take();
    }

    fn with<T>(&self, act: impl FnOnce(&dyn StorageBackend) -> io::Result<T>) -> io::Result<T> {
        match &*self.0.read() {
            Some(backend) => act(&**backend),
            None => Err(io::Error::new(ErrorKind::BrokenPipe, "this opening of the store has ended")),
        }
    }
}

impl StorageBackend for Lease {
    fn len(&self) -> io::Result<u64> {
        self.with(|backend| backend.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|backend| backend.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|backend| backend.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|backend| backend.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|backend| backend.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        let backend = self.0.write().take();
        backend.map_or(Ok(()), |backend| backend.close())
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn a_revoked_lease_neither_reads_nor_writes_and_the_next_one_does() {
        let bytes: Arc<dyn StorageBackend> = Arc::new(InMemoryBackend::new());
        let first = Lease::new(Arc::clone(&bytes));
        first.set_len(8).unwrap();
        first.write(0, b"one").unwrap();
        let also_first = first.clone();
        first.revoke();
        let mut read = [0; 3];
        assert!(also_first.read(0, &mut read).is_err() && also_first.write(0, b"two").is_err());
        assert!(also_first.len().is_err() && also_first.sync_data().is_err() && also_first.set_len(0).is_err());
        Lease::new(bytes).read(0, &mut read).unwrap();
        assert_eq!(&read, b"one");
    }
}

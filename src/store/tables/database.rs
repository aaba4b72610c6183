//! How a file of tables is opened, wherever it is.

use redb::Builder;

use crate::limits::STORE_CACHE_BYTES;

/// What opens tables anywhere, with its bound on the pages in memory.
pub(in crate::store) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(STORE_CACHE_BYTES);
    builder
}

/// The same, after every page was checked against its checksum.
pub(in crate::store) fn checking() -> Builder {
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    builder
}

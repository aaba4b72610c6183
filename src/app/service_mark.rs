//! Remembers beside the store that a fulfilment service was set: without one all orders are confirmed at once, which is
//! hardly meant where a store was used with one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The file that says so, in the data directory.
const FILE_NAME: &str = "fulfillment-url-was-set";

/// Why it matters that no service is set for the store in this directory, if one was.
pub(super) fn missing(data_dir: &Path) -> Option<String> {
    let file = data_dir.join(FILE_NAME);
    file.exists().then(|| {
        format!(
            "FULFILLMENT_URL is not set, and this store was used with a fulfilment service: orders are confirmed at \
             once and reach no service; set it, or delete {} if that is meant",
            file.display()
        )
    })
}

/// Notes that a service is set, or warns where none is and one was. `data_dir` is there and locked.
pub(super) fn check(data_dir: &Path, is_set: bool) {
    if !is_set {
        return missing(data_dir).into_iter().for_each(|missing| tracing::warn!("{missing}"));
    }
    let file = data_dir.join(FILE_NAME);
    let made = fs::OpenOptions::new().write(true).create_new(true).open(&file);
    if let Some(error) = made.err().filter(|error| error.kind() != ErrorKind::AlreadyExists) {
        tracing::warn!(%error, "cannot note in {} that a fulfilment service is set", file.display());
    }
}

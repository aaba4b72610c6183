//! Making a store where there is none.
//!
//! It is made beside its place and put there whole, so that a file in the place that is empty or unfinished was damaged
//! and is never taken for a new one.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::Builder;

use super::{Medium, OpenError, log_beside, open_error, read, sync_directory_of, with_suffix};

/// Creates a file that only its owner can read; one that is there is an error.
pub(super) fn private_file(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes an empty store in `path` if nothing is there.
pub(super) fn make_if_missing(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io(path.display().to_string(), error);
    match fs::metadata(path) {
        Ok(there) if there.len() == 0 => {
            return Err(OpenError::Damaged(path.display().to_string(), "it is empty".to_owned()));
        }
        Ok(_) => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        Err(_) => {}
    }
    let log = log_beside(path);
    if log.exists() {
        return Err(OpenError::TablesMissing { store: path.display().to_string(), log: log.display().to_string() });
    }
    // Its own name, as two may make one at the same time; the first one that is whole is taken.
    let fresh = with_suffix(path, &format!(".new-{}", std::process::id()));
    let made = make(&fresh).and_then(|()| match fs::hard_link(&fresh, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    });
    let removed = fs::remove_file(&fresh);
    made?;
    removed.and_then(|()| sync_directory_of(path)).map_err(failed)
}

fn make(fresh: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io(fresh.display().to_string(), error);
    // What is left is of a process that had this number before and was killed.
    if let Err(error) = fs::remove_file(fresh)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(failed(error));
    }
    private_file(fresh).map_err(failed)?;
    let medium = Medium::File(fresh.to_owned());
    let database = Builder::new().create(fresh).map_err(|error| open_error(&medium, error))?;
    let made = read::create(&database);
    made.map_err(|error| OpenError::Damaged(fresh.display().to_string(), error.to_string()))
}

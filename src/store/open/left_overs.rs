//! What starts and restores that were killed have left in a data directory. The caller holds its lock, so they
//! have ended.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::regular_file;

use crate::store::medium::{FILE_NAME, TABLES_MAGIC, file_in, sync_directory_of, with_suffix};

/// Where a restore builds its store.
pub const RESTORING: &str = ".restoring";
/// What a whole restored store is called while the one that it replaces is moved away, where a file system cannot
/// exchange the two.
pub(in crate::store) const RESTORED: &str = ".restored";
/// Where a start makes a new store; the number of its process follows.
pub(in crate::store) const NEW: &str = ".new-";

/// Finishes a restore that was killed with its store whole and none in its place, and removes what cannot be finished.
pub fn tidy(data_dir: &Path) -> io::Result<()> {
    let file = file_in(data_dir);
    let restored = with_suffix(&file, RESTORED);
    if fs::symlink_metadata(&file).is_err() && regular_file::check_own(&restored).is_ok() {
        fs::rename(&restored, &file)?;
        sync_directory_of(&file)?;
    }
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let Some(kind) = entry.file_name().to_str().and_then(|name| name.strip_prefix(FILE_NAME)).map(str::to_owned)
        else {
            continue;
        };
        let number = kind.strip_prefix(NEW).is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
        if (number || kind == RESTORING || kind == RESTORED) && is_tables(&entry.path())? {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether it is a file of ours, begun or whole: somebody may call a backup by such a name.
fn is_tables(path: &Path) -> io::Result<bool> {
    if regular_file::check_own(path).is_err() {
        return Ok(false);
    }
    let mut begin = Vec::new();
    regular_file::open(path)?.take(TABLES_MAGIC.len() as u64).read_to_end(&mut begin)?;
    // Before its first page is written, a file of redb has zeros there, or nothing.
    Ok(begin == TABLES_MAGIC || begin.iter().all(|byte| *byte == 0))
}

/// Puts `fresh` in the place of `file`, which becomes `kept`.
pub fn exchange(fresh: &Path, file: &Path, kept: &Path) -> io::Result<()> {
    // Under its new name first: a store that was in use never has a name that is tidied up.
    fs::rename(fresh, kept)?;
    match rustix::fs::renameat_with(CWD, kept, CWD, file, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => exchange_by_renames(file, kept),
        Err(error) => {
            fs::rename(kept, fresh)?;
            Err(error.into())
        }
    }
}

/// Exchanges two files where the file system cannot.
fn exchange_by_renames(file: &Path, kept: &Path) -> io::Result<()> {
    let restored = with_suffix(file, RESTORED);
    fs::rename(kept, &restored)?;
    fs::rename(file, kept)?;
    fs::rename(&restored, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_runs_left_goes_and_everything_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = |suffix: &str| with_suffix(&file_in(directory.path()), suffix);
        for suffix in ["", ".new-17", ".new-", ".restoring", ".restored", ".before-restore-2026", ".new-x", ".wal"] {
            fs::write(path(suffix), b"redb and pages").unwrap();
        }
        fs::write(path(".new-18"), b"").unwrap();
        fs::write(path(".new-19"), b"flashsale backup").unwrap();
        tidy(directory.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        let mut kept = ["", ".before-restore-2026", ".new-x", ".new-19", ".wal"].map(path);
        kept.sort();
        assert_eq!(left, kept);
    }

    #[test]
    fn a_restore_that_was_killed_between_two_renames_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let file = file_in(directory.path());
        fs::write(with_suffix(&file, RESTORED), b"redb, whole").unwrap();
        tidy(directory.path()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"redb, whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_store_is_exchanged_with_or_without_the_file_systems_help() {
        let directory = tempfile::tempdir().unwrap();
        let [fresh, file, kept] = ["fresh", "file", "kept"].map(|name| directory.path().join(name));
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        fs::write(&file, "old").unwrap();
        fs::write(&fresh, "new").unwrap();
        exchange(&fresh, &file, &kept).unwrap();
        assert_eq!((read(&file), read(&kept), fresh.exists()), ("new".to_owned(), "old".to_owned(), false));
        exchange_by_renames(&file, &kept).unwrap();
        assert_eq!((read(&file), read(&kept)), ("old".to_owned(), "new".to_owned()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

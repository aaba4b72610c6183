//! Opens files by a name that comes from outside: a setting, an argument, a path in the data directory. Only regular
//! files are opened: a pipe would be waited for and a device read without end, and a write through a link would destroy
//! a file that has another name.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file to read it. Links are followed: secrets are mounted as links.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe must not wait for a writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(unfit("it is not a regular file")),
    }
}

/// Reads the text of a file of at most `most` bytes.
pub fn read_text(path: &Path, most: usize) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.take(most as u64 + 1).read_to_string(&mut text)?;
    match text.len() > most {
        true => Err(unfit(&format!("it is longer than {most} bytes"))),
        false => Ok(text),
    }
}

/// Opens a file to write it, with these options; a link, or a file that has a second name, is an error.
pub fn open_own(path: &Path, options: &mut OpenOptions, flags: i32) -> io::Result<File> {
    let opened = options.custom_flags(flags | libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => unfit("it is a symbolic link"),
        Some(libc::ENXIO) => unfit("it is not a regular file"),
        _ => error,
    })?;
    let found = file.metadata()?;
    match (found.is_file(), found.nlink()) {
        // It has no name if it was removed just now.
        (true, 0 | 1) => Ok(file),
        (true, _) => Err(unfit("it has another name as well (a hard link)")),
        (false, _) => Err(unfit("it is not a regular file")),
    }
}

/// Fails unless a path is that of a regular file with one name, and no link.
pub fn check_own(path: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(path)?;
    match (found.file_type().is_symlink(), found.is_file(), found.nlink()) {
        (true, ..) => Err(unfit("it is a symbolic link")),
        (_, false, _) => Err(unfit("it is not a regular file")),
        (_, _, 1) => Ok(()),
        _ => Err(unfit("it has another name as well (a hard link)")),
    }
}

/// Whether an error means that a file is not of the kind that it must be.
pub fn is_unfit(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unfit>())
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unfit(String);

fn unfit(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, Unfit(why.to_owned()))
}

/// Makes a directory for its owner only, and those above it that are missing. When this returns, their names are on
/// disk.
pub fn make_directory(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new(""));
    make_directory(above)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        other => other?,
    }
    File::open(if above.as_os_str().is_empty() { Path::new(".") } else { above })?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn own(path: &Path) -> io::Result<File> {
        open_own(path, OpenOptions::new().write(true).create(true).truncate(false), 0)
    }

    #[test]
    fn a_pipe_a_directory_and_a_device_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), directory.path(), Path::new("/dev/zero")] {
            assert!(is_unfit(&open(path).unwrap_err()), "{path:?}");
            assert!(own(path).is_err() && check_own(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn links_are_read_through_and_never_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["file", "symbolic", "hard"].map(|name| directory.path().join(name));
        let [file, symbolic, hard] = &names;
        std::fs::write(file, "text").unwrap();
        assert!(own(file).is_ok() && check_own(file).is_ok());
        symlink(file, symbolic).unwrap();
        std::fs::hard_link(file, hard).unwrap();
        for path in &names {
            assert_eq!(read_text(path, 4).unwrap(), "text");
            assert!(is_unfit(&own(path).unwrap_err()) && check_own(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert!(is_unfit(&read_text(&file, 4).unwrap_err()));
        assert_eq!(read_text(&file, 5).unwrap(), "12345");
    }
}

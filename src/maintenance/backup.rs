//! `flashsale backup`.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::config::Secret;
use crate::store::Store;
use crate::store::archive::{self, ArchiveError, Contents, Reader};

use super::output::Output;
use super::progress::Bar;
use super::remote::Download;
use super::{MaintenanceError, lock_to_read};

/// Where a backup comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// The store of a stopped server, in its data directory.
    Stopped(&'s Path),
    /// A server that runs.
    Running {
        /// Its address, such as `http://127.0.0.1:3000`.
        server: &'s str,
        /// The operator's credential, where it needs one.
        token: Option<&'s Secret>,
    },
}

/// Writes a backup to `file`, which is there whole at the end or not at all, and says what it holds.
pub fn backup(source: Source<'_>, file: &Path, force: bool) -> Result<Contents, MaintenanceError> {
    let mut output = Output::create(file, force)?;
    let contents = match source {
        Source::Stopped(data_dir) => copy_store(data_dir, &mut output, file),
        Source::Running { server, token } => copy_stream(server, token, &mut output, file),
    }?;
    output.finish()?;
    Ok(contents)
}

fn copy_store(data_dir: &Path, output: &mut Output, file: &Path) -> Result<Contents, MaintenanceError> {
    let mut bar = Bar::new();
    bar.show("checking the pages of the file", 0, 0);
    let (_lock, store_file) = lock_to_read(data_dir).map_err(|error| match error {
        MaintenanceError::InUse(name) => MaintenanceError::Running(name),
        other => other,
    })?;
    let store = Store::inspect(&store_file)?;
    let snapshot = store.snapshot()?;
    let written = snapshot.back_up(output, &mut |what, done, of| bar.show(what, done, of));
    written.map_err(|error| match error {
        ArchiveError::Io(error) => MaintenanceError::writing(file, error),
        ArchiveError::Store(error) => error.into(),
        other => MaintenanceError::Backup(file.display().to_string(), other),
    })?;
    Ok(snapshot.contents()?)
}

/// Every byte that comes is checked and written; a stream that breaks off or was altered is no backup.
fn copy_stream(
    server: &str,
    token: Option<&Secret>,
    output: &mut Output,
    file: &Path,
) -> Result<Contents, MaintenanceError> {
    let mut bar = Bar::new();
    bar.show("asking the server", 0, 0);
    let download = Download::start(server, token)?;
    let mut tee = Tee { download, output, failed: None };
    let copied = Reader::new(&mut tee).and_then(|reader| {
        let contents = reader.contents();
        archive::check(reader, &mut |_, done, of| bar.show("writing the backup", done, of)).map(|()| contents)
    });
    match (copied, tee.failed) {
        (Ok(contents), _) => Ok(contents),
        (Err(_), Some(error)) => Err(MaintenanceError::writing(file, error)),
        (Err(error), None) => Err(MaintenanceError::Server(server.to_owned(), format!("what it sent: {error}"))),
    }
}

/// Writes what is read.
struct Tee<'t> {
    download: Download,
    output: &'t mut Output,
    /// Why it could not be written, if that is why reading ended.
    failed: Option<io::Error>,
}

impl Read for Tee<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.download.read(out)?;
        if let Err(error) = self.output.write_all(&out[..len]) {
            self.failed = Some(error);
            return Err(io::Error::other("the backup could not be written"));
        }
        Ok(len)
    }
}

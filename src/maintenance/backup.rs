//! `flashsale backup`.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::client::{Client, Download};
use crate::store::Store;
use crate::store::archive::{self, ArchiveError, Contents, Reader};

use super::error::MaintenanceError;
use super::output::Output;
use super::place::lock_instead_of_server;
use super::progress::Bar;

/// The route that streams a backup.
pub(super) const ROUTE: &str = "/admin/backup";

/// Where a backup comes from.
#[derive(Clone, Debug)]
pub enum Source<'s> {
    /// The store of a stopped server, in its data directory.
    Stopped(&'s Path),
    /// A running server.
    Running(Client),
}

/// Writes a backup to `file`, and says what it holds. The file appears when it is whole, or not at all.
pub fn backup(source: &Source<'_>, file: &Path, force: bool) -> Result<Contents, MaintenanceError> {
    let mut output = Output::create(file, force)?;
    let contents = match source {
        Source::Stopped(data_dir) => copy_store(data_dir, &mut output, file),
        Source::Running(client) => copy_stream(client, &mut output, file),
    }?;
    output.finish()?;
    Ok(contents)
}

fn copy_store(data_dir: &Path, output: &mut Output, file: &Path) -> Result<Contents, MaintenanceError> {
    let mut bar = Bar::new();
    bar.show("checking the pages of the file", 0, 0);
    let (_lock, store_file) = lock_instead_of_server(data_dir)?;
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

/// Every byte is checked as it is written: a stream that breaks off or was altered is an error.
fn copy_stream(client: &Client, output: &mut Output, file: &Path) -> Result<Contents, MaintenanceError> {
    let server = || client.server().to_owned();
    let mut bar = Bar::new();
    bar.show("connecting to the server", 0, 0);
    let download = Download::start(client, ROUTE).map_err(|error| MaintenanceError::Server(server(), error))?;
    let mut tee = Tee { download, output, failed: None };
    let copied = Reader::new(&mut tee).and_then(|reader| {
        let contents = reader.contents();
        archive::check(reader, &mut |_, done, of| bar.show("writing the backup", done, of)).map(|()| contents)
    });
    match (copied, tee.failed) {
        (Ok(contents), _) => Ok(contents),
        (Err(_), Some(error)) => Err(MaintenanceError::writing(file, error)),
        (Err(error), None) => Err(MaintenanceError::Received(server(), error)),
    }
}

/// Writes every byte that is read.
struct Tee<'t> {
    download: Download,
    output: &'t mut Output,
    /// Why writing failed, if that is why reading ended.
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

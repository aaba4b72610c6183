//! The backup: everything in the store as one stream, read from one snapshot.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::domain::refusal::Refusal;
use crate::http::schema::text;
use crate::limits::{BACKUP_CHUNKS, BACKUP_STALL};
use crate::store::{Reader, Scan, Snapshot, Store};

use super::route::{self, Route};
use super::state::BackupTurn;

pub(super) fn routes() -> Vec<Route> {
    let description = route::operator("/admin/backup", "readBackup", "Read everything in the store as one stream")
        .about(
            "Consistent, while orders continue. A response that breaks off is not whole. One backup is read at a time.",
        )
        .responds_with(StatusCode::OK, "The backup.", "application/octet-stream", text(), &["Content-Disposition"])
        .refuses(|refusal| matches!(refusal, Refusal::BackupInFlight))
        .scans();
    vec![route::get(stream, description)]
}

async fn stream(
    State(store): State<Arc<Store>>,
    State(BackupTurn(turn)): State<BackupTurn>,
) -> Result<Response, Refusal> {
    let turn = turn.try_acquire_owned().map_err(|_| Refusal::BackupInFlight)?;
    let snapshot = store.scan(Scan::Page, Reader::snapshot).await?;
    let (sender, chunks) = mpsc::channel(BACKUP_CHUNKS);
    let whole = Arc::new(AtomicBool::new(false));
    let pipe = Pipe { sender, runtime: Handle::current(), broken: None };
    let body = Chunks { chunks, whole: Arc::clone(&whole) };
    tokio::task::spawn_blocking(move || {
        write(&snapshot, pipe, &whole);
        drop(turn);
    });
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"flashsale.backup\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn write(snapshot: &Snapshot, pipe: Pipe, whole: &AtomicBool) {
    // Lives until the outcome is known: the end of the channel is the end of the response.
    let _open = pipe.sender.clone();
    // Joins the small writes around each frame with others.
    match snapshot.back_up(BufWriter::new(pipe), &mut |_, _, _| {}) {
        Ok(_) => {
            whole.store(true, Ordering::Release);
            tracing::info!("a backup was read");
        }
        Err(error) => tracing::warn!(%error, "a backup broke off"),
    }
}

/// Where the backup is written: a bounded channel to the connection.
struct Pipe {
    sender: mpsc::Sender<Bytes>,
    runtime: Handle,
    /// Why nothing more is sent: writing on after an error does not wait again.
    broken: Option<io::ErrorKind>,
}

impl Write for Pipe {
    /// Waits for room; a reader that takes nothing for too long ends the backup, as does one that has gone.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(broken) = self.broken {
            return Err(broken.into());
        }
        let sent = self.sender.send_timeout(Bytes::copy_from_slice(bytes), BACKUP_STALL);
        let broken = match self.runtime.block_on(sent) {
            Ok(()) => return Ok(bytes.len()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => io::ErrorKind::TimedOut,
            Err(mpsc::error::SendTimeoutError::Closed(_)) => io::ErrorKind::BrokenPipe,
        };
        self.broken = Some(broken);
        Err(broken.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body of the response. If the backup broke off, the connection ends before the response does, so that nobody
/// takes it for whole.
struct Chunks {
    chunks: mpsc::Receiver<Bytes>,
    /// Set before the last sender goes.
    whole: Arc<AtomicBool>,
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.chunks.poll_recv(context).map(|chunk| match chunk {
            Some(chunk) => Some(Ok(Frame::data(chunk))),
            None if self.whole.load(Ordering::Acquire) => None,
            None => Some(Err(io::Error::other("the backup broke off"))),
        })
    }
}

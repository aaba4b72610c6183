//! A client's socket as the HTTP parser sees it: counts what arrives, notes when the client does not read, and at the
//! end of a connection reads on for a while.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::MAX_LINGER_BYTES;

use super::activity::Activity;
use super::leash::Side;

/// Bytes that are thrown away at once.
const THROWN_AT_ONCE: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// Whether the client did not take what was written last.
    blocked: bool,
    /// Whether the client has sent its last byte.
    ended: bool,
    /// Bytes that may still be thrown away, once our half is closed.
    lingering: Option<usize>,
}

impl Socket {
    pub(super) const fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, blocked: false, ended: false, lingering: None }
    }

    /// Costs nothing while the client reads.
    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending if !self.blocked => {
                self.blocked = true;
                self.activity.block();
            }
            Poll::Ready(Ok(bytes)) if self.blocked => self.activity.take(*bytes),
            _ => {}
        }
        written
    }

    /// Fails once the socket of an upgraded connection is cut off.
    fn check(&self, side: Side, context: &Context<'_>) -> io::Result<()> {
        self.activity.leash().map_or(Ok(()), |leash| leash.check(side, context))
    }

    /// Reads what the client still sends, until it ends, fails, or has sent enough.
    fn poll_throw_away(&mut self, context: &mut Context<'_>, mut left: usize) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); THROWN_AT_ONCE];
        while left > 0 {
            let mut thrown = ReadBuf::uninit(&mut space);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut thrown);
            self.lingering = Some(left);
            match ready!(read) {
                Ok(()) if !thrown.filled().is_empty() => left = left.saturating_sub(thrown.filled().len()),
                // Its end, or a client that has gone: all the same.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(Side::Read, context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.ended |= read == 0;
        match self.activity.receive(read) {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err(ErrorKind::OutOfMemory.into())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(Side::Write, context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(Side::Write, context)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called once all that was to be written is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.blocked) {
            self.activity.unblock();
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// A socket that is closed while bytes of the client are unread, or still come, makes the client's system throw
    /// away the response as well. So our half is closed, and the other is read until the client has closed it.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(left) = self.lingering {
            return self.poll_throw_away(context, left);
        }
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if self.ended || !self.activity.has_unread() {
            return Poll::Ready(Ok(()));
        }
        self.activity.linger();
        self.poll_throw_away(context, MAX_LINGER_BYTES)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(leash) = self.activity.leash() {
            leash.close();
        }
    }
}

//! Connections to a receiver: each is checked against the [`AddressPolicy`] on the very IP address that it
//! leads to, is bounded in time as a whole, and knows whether it has served a request.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::Service;

use super::address::{AddressPolicy, RefusedAddress};
use super::lookup::{LookupError, Lookups};
use super::shortage::{causes, is_shortage};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The address may not be called.
    #[error(transparent)]
    Refused(#[from] RefusedAddress),
    /// The name leads nowhere.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// No host responds at the IP addresses, or this machine has run out of something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The look-up, the connection and the TLS handshake took too long together.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl ConnectError {
    /// Whether it says nothing about the receiver.
    fn is_local(&self) -> bool {
        match self {
            Self::Refused(_) | Self::TimedOut(_) | Self::Lookup(LookupError::Failed(_)) => false,
            Self::Lookup(LookupError::Local(_)) | Self::Stopping => true,
            Self::Io(error) => is_shortage(error),
        }
    }
}

/// Whether an error, wherever it lies, says nothing about the receiver but that this machine did not get to it.
pub(super) fn is_local(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref().is_some_and(ConnectError::is_local) || cause.downcast_ref().is_some_and(is_shortage)
    })
}

/// The IP address that was not called, where that is the cause of an error.
pub(super) fn refused(error: &(dyn Error + 'static)) -> Option<RefusedAddress> {
    causes(error).find_map(|cause| match cause.downcast_ref() {
        Some(ConnectError::Refused(refused)) => Some(*refused),
        _ => None,
    })
}

/// Where a host is.
#[derive(Clone, Debug)]
pub(super) enum Addresses {
    Known(SocketAddr),
    /// The port belongs to each that is found.
    Named(Arc<Lookups>, u16),
}

/// Connects to the one host that there is, as far as its [`AddressPolicy`] allows. A bare IP address takes the same way
/// as a name.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) addresses: Addresses,
    /// How far.
    pub(super) reach: AddressPolicy,
    /// How long all addresses together may take to accept a connection.
    pub(super) patience: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await.map(TokioIo::new) })
    }
}

impl Connector {
    /// Tries the addresses of the host one after the other. Each gets an equal share of the patience, so that one that
    /// swallows packets does not keep the others from being tried.
    pub(super) async fn connect(&self) -> Result<TcpStream, ConnectError> {
        let addresses = match &self.addresses {
            Addresses::Known(address) => vec![*address],
            Addresses::Named(lookups, port) => {
                let mut found = lookups.find().await?.to_vec();
                found.iter_mut().for_each(|address| address.set_port(*port));
                found
            }
        };
        let share = self.patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failure: Option<ConnectError> = None;
        for address in addresses {
            match self.connect_to(address, share).await {
                Ok(stream) => return Ok(stream),
                // An address that was really tried says more than one that this machine could not try.
                Err(error) if failure.as_ref().is_none_or(ConnectError::is_local) => failure = Some(error),
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or_else(|| LookupError::Failed("the host has no address".to_owned()).into()))
    }

    async fn connect_to(&self, address: SocketAddr, patience: Duration) -> Result<TcpStream, ConnectError> {
        self.reach.check(address.ip())?;
        let connecting = tokio::time::timeout(patience, TcpStream::connect(address));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Connects with TLS where the URL asks for it. The client continues to connect when an attempt has been given up, so
/// the whole is bounded here, and ends at once when the server stops: nothing was sent.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) tls: HttpsConnector<Connector>,
    pub(super) patience: Duration,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Kept>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tls.poll_ready(cx)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let (mut stopped, patience) = (self.stopped.clone(), self.patience);
        let connecting = tokio::time::timeout(patience, self.tls.call(url));
        Box::pin(async move {
            let stream = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return Err(ConnectError::Stopping.into()),
                connected = connecting => connected.map_err(|_| ConnectError::TimedOut(patience))??,
            };
            Ok(TokioIo::new(Kept { stream: TokioIo::new(stream), history: Arc::default() }))
        })
    }
}

/// What has happened on a connection.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Whether there was a response to a request before.
    served: AtomicBool,
    /// Whether a byte has come since something was sent last.
    answered: AtomicBool,
}

impl History {
    /// Notes that a response has come.
    pub(super) fn note_response(&self) {
        self.served.store(true, Ordering::Relaxed);
    }

    /// Whether the connection was kept from an earlier request and has brought nothing for this one: the other side had
    /// closed it, or was about to.
    pub(super) fn is_stale(&self) -> bool {
        self.served.load(Ordering::Relaxed) && !self.answered.load(Ordering::Relaxed)
    }
}

/// A connection with its history.
pub(super) struct Kept {
    stream: TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>,
    history: Arc<History>,
}

impl Connection for Kept {
    fn connected(&self) -> Connected {
        self.stream.inner().connected().extra(Arc::clone(&self.history))
    }
}

impl AsyncRead for Kept {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.history.answered.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Kept {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.history.answered.store(false, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.history.answered.store(false, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(addresses: &[SocketAddr], port: u16, reach: AddressPolicy) -> Connector {
        let found = addresses.to_vec();
        let lookups = Lookups::new("shop.example".to_owned(), move |_| Ok(found.clone()));
        let addresses = Addresses::Named(Arc::new(lookups), port);
        Connector { addresses, reach, patience: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn the_connector_refuses_what_it_is_led_to_before_it_connects() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for address in ["127.0.0.1:0", "[::ffff:127.0.0.1]:0"] {
            let address = address.parse().unwrap();
            let error = to(&[address], port, AddressPolicy::Public).connect().await.unwrap_err();
            assert!(matches!(error, ConnectError::Refused(_)), "{address}: {error}");
            let known = SocketAddr::new(address.ip(), port);
            let known = Connector { addresses: Addresses::Known(known), ..to(&[], 0, AddressPolicy::Public) };
            assert!(matches!(known.connect().await.unwrap_err(), ConnectError::Refused(_)), "{address}");
        }
        assert!(to(&["127.0.0.1:0".parse().unwrap()], port, AddressPolicy::Everywhere).connect().await.is_ok());
        let accepted = tokio::time::timeout(Duration::from_millis(200), async {
            listener.accept().await.unwrap();
            listener.accept().await.unwrap();
        });
        assert!(accepted.await.is_err(), "one connection and no more");
    }

    #[tokio::test]
    async fn only_where_no_address_was_tried_is_it_a_fault_of_this_machine() {
        // Nothing listens on a port that was just given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shut: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let error = to(&[shut], port, AddressPolicy::Everywhere).connect().await.unwrap_err();
        assert!(!error.is_local(), "{error}");
        let error = to(&[], port, AddressPolicy::Everywhere).connect().await.unwrap_err();
        assert!(!error.is_local() && error.to_string().contains("no address"), "{error}");
        let shortage = || ConnectError::Io(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(shortage().is_local());
        let wrapped = io::Error::other(io::Error::other(shortage()));
        assert!(is_local(&wrapped));
        assert!(!is_local(&io::Error::other(ConnectError::TimedOut(Duration::ZERO))));
    }
}

//! The socket that clients connect to.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted.
pub(super) const BACKLOG: u32 = 4_096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system says no.
    #[error("cannot listen on {0}: {1}; choose another HOST and PORT")]
    Failed(SocketAddr, io::Error),
    /// Somebody else listens there.
    #[error(
        "cannot listen on {0}, where another program listens, maybe another server; stop it or choose another PORT"
    )]
    Taken(SocketAddr),
}

/// Takes an address. Nobody can connect before [`listen`].
pub(super) fn bind(address: SocketAddr) -> Result<TcpSocket, ListenError> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait for the connections of the server before it to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    open().map_err(|error| cannot_listen(address, error))
}

/// Lets clients connect, and says where.
pub(super) fn listen(socket: TcpSocket, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let listening = socket.listen(BACKLOG).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listening.map_err(|error| cannot_listen(address, error))?;
    Ok((listener, address))
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> ListenError {
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        _ => ListenError::Failed(address, error),
    }
}

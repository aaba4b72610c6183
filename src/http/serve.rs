//! Listening: who is let in, the sweep over those who are, and the end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::limits::{SEND_BUFFER_BYTES, STOP_SENDING};

use super::activity::{Activity, Shared};
use super::connection::{self, end_of};
use super::connections::{Caps, Connections, Entry};
use super::edge::Edge;
use super::handler::Handler;
use super::serve_config::ServeConfig;

/// The pause after a connection could not be accepted, and before it is looked again for room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The least time between two lines in the log on the same trouble with connections.
const NOTICE_PAUSE: Duration = Duration::from_secs(60);

/// Serves until `stopped` turns true; then takes no new connection, ends those that are owed no response, lets the
/// others finish, and returns within [`ServeConfig::shutdown_timeout`] whatever they do.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: H,
    config: ServeConfig,
    mut stopped: watch::Receiver<bool>,
) {
    // Inherited by what is accepted: bounds what the system keeps for a client that does not read.
    if let Err(error) = rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES) {
        tracing::debug!(%error, "the size of send buffers could not be set");
    }
    let edge = Edge::new(handler, &config);
    let caps = Caps { total: config.max_connections, per_address: config.max_per_address };
    let mut hall = Hall {
        edge: Arc::new(edge),
        shared: Arc::default(),
        connections: Connections::new(caps, config.trusted_proxies.clone(), Arc::clone(&config.metrics)),
        tasks: JoinSet::new(),
        accept_trouble: Notice::default(),
        room_trouble: Notice::default(),
        address_trouble: Notice::default(),
    };
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        let has_room = hall.connections.has_room();
        tokio::select! {
            biased;
            () = end_of(&mut stopped) => break,
            _ = ticks.tick() => {
                // What is kept of clients and of connections is what the last seconds saw.
                config.rate_limits.forget_idle();
                hall.shared.pass_second();
                hall.connections.sweep();
            }
            Some(ended) = hall.tasks.join_next_with_id() => {
                hall.connections.ended(ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, peer)) => hall.let_in(stream, peer, &config, &stopped),
                Err(error) => hall.not_accepted(&error).await,
            },
            // Connections get idle without a word.
            () = sleep(ACCEPT_PAUSE), if !has_room => {}
        }
    }
    drop(listener);
    hall.close(config.shutdown_timeout).await;
}

/// The listener's side of all connections.
struct Hall<H> {
    edge: Arc<Edge<H>>,
    shared: Arc<Shared>,
    connections: Connections,
    tasks: JoinSet<()>,
    accept_trouble: Notice,
    room_trouble: Notice,
    address_trouble: Notice,
}

impl<H: Handler> Hall<H> {
    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr, config: &ServeConfig, stopped: &watch::Receiver<bool>) {
        match self.connections.enter(peer.ip()) {
            Entry::Let => {}
            Entry::LetInstead => {
                if self.room_trouble.is_due() {
                    let most = config.max_connections;
                    tracing::warn!(most, "all connections are taken; those that have sent no request make room");
                }
            }
            Entry::Full => return,
            Entry::AddressFull => {
                if self.address_trouble.is_due() {
                    let (address, most) = (peer.ip(), config.max_per_address);
                    tracing::warn!(%address, most, "a client address has as many connections as it may");
                }
                return;
            }
        }
        let activity = Arc::new(Activity::new(Arc::clone(&self.shared)));
        let counted = config.metrics.count_connection();
        let edge = Arc::clone(&self.edge);
        let serving = connection::serve(stream, peer, edge, Arc::clone(&activity), stopped.clone());
        let task = self.tasks.spawn(async move {
            serving.await;
            drop(counted);
        });
        self.connections.add(task, peer.ip(), activity);
    }

    /// Where files or memory are short, what helps is that connections end.
    async fn not_accepted(&mut self, error: &io::Error) {
        if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
            // The client has gone before its turn.
            return;
        }
        if self.accept_trouble.is_due() {
            let help = "raise the limit of open files or lower MAX_CONNECTIONS";
            tracing::warn!(%error, "connections cannot be accepted; {help}");
        }
        self.connections.send_away();
        sleep(ACCEPT_PAUSE).await;
    }

    /// Waits for the responses to requests that are worked on; shortly for clients that do not read theirs.
    async fn close(mut self, time: Duration) {
        let end = Instant::now() + time;
        if timeout(STOP_SENDING.min(time), all(&mut self.tasks)).await.is_ok() {
            return;
        }
        self.connections.end_all_but_working();
        if timeout_at(end, all(&mut self.tasks)).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections were still open at the end");
        }
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// When something was last said.
#[derive(Debug, Default)]
struct Notice(Option<Instant>);

impl Notice {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|said| said.elapsed() >= NOTICE_PAUSE);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

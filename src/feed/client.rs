//! A client as the task of the feed knows it: what it gets, and the bounded way to it.

use std::sync::{Arc, OnceLock};

use engineioxide::{DisconnectReason, Socket};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::limits::MAX_FEED_ERRORS;

use super::frames::{Events, Frame, Namespace};
use super::session::Session;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) events: Events,
    /// Whether it has said which events it wants.
    pub(super) has_chosen: bool,
    /// Whether it has lost frames and waits for a snapshot.
    pub(super) is_behind: bool,
    /// The last frame of an alert that it has, or did not want.
    pub(super) alert: u64,
    errors: u32,
    way: Way,
}

/// The way to a client: a queue of frames, from which a task of its own writes.
#[derive(Debug)]
pub(super) enum Way {
    /// The queue of a plain WebSocket. Dropping it ends the connection.
    WebSocket {
        /// Text messages.
        queue: mpsc::Sender<Utf8Bytes>,
        /// Why it ended, if it was not that the server stops.
        last_word: Arc<OnceLock<CloseFrame>>,
    },
    /// A connection of Socket.IO, whose queue is the engine's.
    SocketIo(Arc<Socket<Session>>, Namespace),
}

/// What became of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of them are on their way.
    All,
    /// There is no room for all of them, so none is.
    NoRoom,
    /// The client has gone.
    Gone,
}

impl Client {
    /// A client that gets all events. `alert` is the last frame of an alert by now.
    pub(super) const fn new(way: Way, alert: u64) -> Self {
        Self { events: Events::ALL, has_chosen: false, is_behind: false, alert, errors: 0, way }
    }

    /// Sends all of these frames, or none.
    pub(super) fn send<'f>(&self, frames: impl Iterator<Item = &'f Frame> + Clone) -> Sent {
        match &self.way {
            Way::WebSocket { queue, .. } => {
                if queue.is_closed() {
                    return Sent::Gone;
                }
                // Nobody else puts anything into it.
                if queue.capacity() < frames.clone().count() {
                    return Sent::NoRoom;
                }
                let sent = frames.map(|frame| queue.try_send(frame.for_websocket()));
                if sent.fold(true, |all, sent| all & sent.is_ok()) { Sent::All } else { Sent::Gone }
            }
            Way::SocketIo(socket, namespace) => {
                let places: Result<Vec<_>, _> = frames.clone().map(|_| socket.reserve()).collect();
                match places {
                    Ok(places) => {
                        let packets = frames.map(|frame| frame.for_socket_io(*namespace));
                        places.into_iter().zip(packets).for_each(|(place, packet)| place.emit(packet));
                        Sent::All
                    }
                    Err(mpsc::error::TrySendError::Full(())) => Sent::NoRoom,
                    Err(mpsc::error::TrySendError::Closed(())) => Sent::Gone,
                }
            }
        }
    }

    /// Acknowledges a request of a Socket.IO client with JSON.
    pub(super) fn acknowledge(&self, ack: u64, data: &str) {
        if let Way::SocketIo(socket, namespace) = &self.way {
            let _ = socket.emit(format!("3{}{ack}[{data}]", namespace.prefix()));
        }
    }

    /// Counts a message that was not understood; whether there were too many of them.
    pub(super) const fn count_error(&mut self) -> bool {
        self.errors += 1;
        self.errors > MAX_FEED_ERRORS
    }

    pub(super) fn is_gone(&self) -> bool {
        match &self.way {
            Way::WebSocket { queue, .. } => queue.is_closed(),
            Way::SocketIo(socket, _) => socket.is_closed(),
        }
    }

    /// Ends it, and says why.
    pub(super) fn end(self, why: CloseFrame) {
        match self.way {
            Way::WebSocket { last_word, .. } => {
                let _ = last_word.set(why);
            }
            Way::SocketIo(socket, namespace) => {
                let _ = socket.emit(format!("1{}", namespace.prefix()));
                socket.close(DisconnectReason::TransportClose);
            }
        }
    }
}

//! The way to the task of the feed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::limits::FEED_COMMANDS;

use super::asks::Ask;
use super::client::Way;

/// A message to the task of the feed.
#[derive(Debug)]
pub(super) enum Command {
    /// A client has come.
    Join { client: u64, way: Way },
    /// A client has sent a message: a request, or a sentence on why it is none.
    Ask {
        client: u64,
        ask: Result<Ask, String>,
        /// The number under which a Socket.IO client wants the response as well.
        ack: Option<u64>,
    },
    /// A client has gone.
    Leave { client: u64 },
}

/// The way in for clients.
#[derive(Debug)]
pub(super) struct Door {
    commands: mpsc::Sender<Command>,
    next: AtomicU64,
}

impl Door {
    pub(super) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(FEED_COMMANDS);
        (Self { commands, next: AtomicU64::new(1) }, received)
    }

    /// A number for a client.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for room. False if the feed has stopped.
    pub(super) async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// False if there is no room, or the feed has stopped.
    pub(super) fn try_send(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }
}

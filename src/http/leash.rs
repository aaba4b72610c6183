//! What holds the socket of a connection that speaks another protocol than HTTP.
//!
//! Such a socket belongs to the tasks that speak the protocol. The connection's own task stays, so that the connection
//! counts as one: it ends when the socket is closed, and where it is ended itself, it cuts the socket off.

use std::io::{Error, ErrorKind};
use std::task::{Context, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The two directions of a socket, which two tasks can wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Read,
    Write,
}

/// Holds one socket.
#[derive(Debug, Default)]
pub(super) struct Leash {
    state: Mutex<State>,
    /// Notified once, when the socket is closed.
    closed: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_cut: bool,
    /// Who waits for the socket, by its sides.
    waiting: [Option<Waker>; 2],
}

/// Cuts a socket off when it is dropped.
struct Cut<'l>(&'l Leash);

impl Leash {
    /// Fails once the socket is cut off; a task that waits for it is woken then.
    pub(super) fn check(&self, side: Side, context: &Context<'_>) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.is_cut {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        match &mut state.waiting[side as usize] {
            Some(waiting) => waiting.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Ok(())
    }

    /// The socket is closed.
    pub(super) fn close(&self) {
        self.state.lock().waiting = [None, None];
        self.closed.notify_one();
    }

    /// Returns when the socket is closed. Dropping this before cuts the socket off. For one task only.
    pub(super) async fn hold(&self) {
        let _cut = Cut(self);
        self.closed.notified().await;
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.state.lock();
            state.is_cut = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn both_sides_of_a_socket_are_woken_and_fail_when_it_is_cut_off() {
        let leash = Leash::default();
        let woken = [Arc::<Woken>::default(), Arc::default()];
        let wakers = woken.clone().map(Waker::from);
        let contexts = [0, 1].map(|side: usize| Context::from_waker(&wakers[side]));
        for _ in 0..2 {
            assert!(leash.check(Side::Read, &contexts[0]).is_ok() && leash.check(Side::Write, &contexts[1]).is_ok());
        }
        {
            let mut hold = pin!(leash.hold());
            assert!(hold.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(woken.map(|woken| woken.0.load(SeqCst)), [1, 1]);
        assert!(leash.check(Side::Read, &contexts[0]).is_err() && leash.check(Side::Write, &contexts[1]).is_err());
    }

    #[tokio::test]
    async fn a_closed_socket_lets_its_connection_end_whichever_comes_first() {
        let leash = Leash::default();
        leash.close();
        leash.hold().await;
        let leash = Arc::new(Leash::default());
        let held = Arc::clone(&leash);
        let holding = tokio::spawn(async move { held.hold().await });
        tokio::task::yield_now().await;
        leash.close();
        holding.await.unwrap();
    }
}

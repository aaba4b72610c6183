//! A gate in front of the syncs of a store's log: while it is shut, the committer waits inside a commit, and everything
//! submitted meanwhile is in the next one.

use std::io::Result;
use std::sync::Arc;

use flashsale::store::{Medium, Part};
use parking_lot::{Condvar, Mutex};
use redb::StorageBackend;

use super::disk::Disk;
use super::engine::PATIENCE;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    shut: bool,
    /// Whether the next sync may pass all the same.
    one_may_pass: bool,
    /// Whether a sync waits at the gate.
    waiting: bool,
    /// Syncs since it was shut last.
    syncs: u32,
}

impl Gate {
    /// The medium of a store on `disk`, with this gate before the syncs of its log.
    pub(crate) fn medium(self: &Arc<Self>, disk: &Arc<Disk>) -> Medium {
        let Medium::Backend { open, wal_segment_bytes } = disk.medium() else { unreachable!("a disk in memory") };
        let gate = Arc::clone(self);
        let open = move |part| -> Box<dyn StorageBackend> {
            match part {
                Part::Wal => Box::new(Gated { gate: Arc::clone(&gate), backend: open(part) }),
                Part::Tables => open(part),
            }
        };
        Medium::Backend { open: Arc::new(open), wal_segment_bytes }
    }

    pub(crate) fn shut(&self) {
        *self.state.lock() = State { shut: true, ..State::default() };
    }

    /// Lets everything pass.
    pub(crate) fn open(&self) {
        self.state.lock().shut = false;
        self.changed.notify_all();
    }

    /// Lets one sync pass and stays shut.
    pub(crate) fn let_one_pass(&self) {
        let mut state = self.state.lock();
        (state.one_may_pass, state.waiting) = (true, false);
        self.changed.notify_all();
    }

    /// Returns when a commit waits at the gate, written and not synced.
    pub(crate) fn wait_for_commit(&self) -> std::result::Result<(), String> {
        let timeout = self.changed.wait_while_for(&mut self.state.lock(), |state| !state.waiting, PATIENCE);
        if timeout.timed_out() { Err("no commit came".to_owned()) } else { Ok(()) }
    }

    /// Syncs since it was shut last.
    pub(crate) fn syncs(&self) -> u32 {
        self.state.lock().syncs
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.syncs += 1;
        if state.shut {
            state.waiting = true;
            self.changed.notify_all();
            self.changed.wait_while(&mut state, |state| state.shut && !state.one_may_pass);
            state.one_may_pass = false;
        }
    }
}

#[derive(Debug)]
struct Gated {
    gate: Arc<Gate>,
    backend: Box<dyn StorageBackend>,
}

impl StorageBackend for Gated {
    fn len(&self) -> Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.backend.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        self.gate.pass();
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.backend.write(offset, data)
    }

    fn close(&self) -> Result<()> {
        self.backend.close()
    }
}

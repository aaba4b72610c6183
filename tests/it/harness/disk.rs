//! A disk in memory that may lose what was not synced. It has one file for each part of a store.
//!
//! Writes go to a cache that readers see at once. A sync makes them durable. When the power goes, every write since
//! then is kept, lost or torn between two sectors, each by chance and in any order.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

use flashsale::store::{Medium, Part};
use parking_lot::{Condvar, Mutex, MutexGuard};
use redb::StorageBackend;

use super::rng::Rng;

/// Bytes that reach the disk together or not at all.
const SECTOR: usize = 512;
/// Bytes of each segment of a store's log: so few that they are filled again and again.
const WAL_SEGMENT_BYTES: u64 = 32 * 1024;

/// What goes wrong. `after` counts the operations of the kind that still go well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes at a write, a change of the length or a sync.
    PowerCut { after: u64 },
    /// The process dies at a write, a change of the length or a sync; what it wrote stays in the cache.
    Kill { after: u64 },
    /// A write or a change of the length fails: the disk is full.
    WriteFails { after: u64, until: Until },
    /// A sync fails.
    SyncFails { after: u64, until: Until },
    /// The thread that writes the log panics. The one that writes the tables, whenever it likes, does not.
    Panics,
}

/// How long operations keep failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The next one goes well.
    Once,
    /// Until [`Disk::repair`].
    Repaired,
}

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Some of it is kept, some lost, some torn.
    Chance,
    /// Nothing is kept.
    All,
}

#[derive(Debug)]
pub(crate) struct Disk {
    state: Mutex<State>,
    /// Notified when the disk was opened, and when something begins or ends to hang.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    files: [File; 2],
    running: bool,
    fault: Option<Fault>,
    /// Syncs that are honest; after them they only say so.
    honest_syncs: u64,
    syncs: u64,
    rng: Rng,
    /// The part whose writes and syncs do not return.
    hangs: Option<Part>,
    /// Operations that do not return at the moment.
    hanging: usize,
}

#[derive(Debug, Default)]
struct File {
    /// What is there after the power was cut.
    durable: Vec<u8>,
    /// What a reader sees.
    cached: Vec<u8>,
    /// What is in the cache and not durable, in the order of issue.
    unsynced: Vec<Operation>,
    /// Whether the cache is gone: the next opening sees what is durable.
    forgotten: bool,
    /// The number of the last handle.
    handle: u64,
    /// The handle that has the file, until it is closed or dropped. Others get nowhere.
    holder: Option<u64>,
}

#[derive(Clone, Debug)]
enum Operation {
    Write { offset: usize, bytes: Vec<u8> },
    SetLength(usize),
}

/// What is done to the disk, as far as faults distinguish it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Write,
    Sync,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let state = State {
            files: Default::default(),
            running: true,
            fault: None,
            honest_syncs: u64::MAX,
            syncs: 0,
            rng: Rng::new(seed),
            hangs: None,
            hanging: 0,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// A disk of its own that holds what is durable on this one.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let copy = Self::new(0);
        for (new, old) in copy.state.lock().files.iter_mut().zip(&self.state.lock().files) {
            (new.durable, new.forgotten) = (old.durable.clone(), true);
        }
        copy
    }

    /// The medium of a store on this disk.
    pub(crate) fn medium(self: &Arc<Self>) -> Medium {
        let disk = Arc::clone(self);
        Medium::Backend { open: Arc::new(move |part| Box::new(disk.open(part))), wal_segment_bytes: WAL_SEGMENT_BYTES }
    }

    fn open(self: &Arc<Self>, part: Part) -> Handle {
        let mut state = self.state.lock();
        let file = &mut state.files[part as usize];
        file.handle += 1;
        let number = file.handle;
        if file.holder.is_none() {
            file.holder = Some(number);
            if std::mem::take(&mut file.forgotten) {
                file.cached = file.durable.clone();
                // What a failed store wrote later is lost as well.
                file.unsynced.clear();
            }
        }
        self.changed.notify_all();
        Handle { disk: Arc::clone(self), part, number }
    }

    /// What goes wrong next.
    pub(crate) fn arm(&self, fault: Fault) {
        self.state.lock().fault = Some(fault);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn repair(&self) {
        self.state.lock().fault = None;
    }

    /// Lets writes and syncs of a part hang until [`Self::release`].
    pub(crate) fn hang(&self, part: Part) {
        self.state.lock().hangs = Some(part);
    }

    /// Lets what hangs continue.
    pub(crate) fn release(&self) {
        self.state.lock().hangs = None;
        self.changed.notify_all();
    }

    /// Whether something hangs.
    pub(crate) fn is_hanging(&self) -> bool {
        self.state.lock().hanging > 0
    }

    /// From the n-th sync on, counted from the making of the disk, syncs say that all is durable and do nothing.
    pub(crate) fn lie_after(&self, honest_syncs: u64) {
        self.state.lock().honest_syncs = honest_syncs;
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Whether power is on and the process alive.
    pub(crate) fn is_running(&self) -> bool {
        self.state.lock().running
    }

    /// Cuts the power now, if it has not gone yet.
    pub(crate) fn cut(&self, loss: Loss) {
        let mut state = self.state.lock();
        if state.running {
            if loss == Loss::All {
                state.files.iter_mut().for_each(|file| file.unsynced.clear());
            }
            state.lose_power();
        }
    }

    /// Power is on again, and a new process can start. Nothing goes wrong until the next fault is armed.
    pub(crate) fn restart(&self) {
        let mut state = self.state.lock();
        (state.running, state.fault, state.hangs) = (true, None, None);
        state.files.iter_mut().for_each(|file| file.holder = None);
    }

    /// How often the disk was opened.
    pub(crate) fn openings(&self) -> u64 {
        self.state.lock().files[Part::Tables as usize].handle
    }

    /// Returns when the disk was opened more than `openings` times, or `at_most` later.
    pub(crate) fn wait_for_opening(&self, openings: u64, at_most: Duration) {
        let mut state = self.state.lock();
        let not_yet = |state: &mut State| state.files[Part::Tables as usize].handle <= openings;
        self.changed.wait_while_for(&mut state, not_yet, at_most);
    }
}

impl State {
    /// Puts an operation into the cache, if it may happen. One that fails may still reach the disk, whole or in part.
    fn issue(&mut self, part: Part, operation: Operation) -> Result<()> {
        let hit = self.fault_at(part, Kind::Write);
        if matches!(hit, Some(Fault::Kill { .. })) {
            return self.fail(hit);
        }
        self.files[part as usize].unsynced.push(operation.clone());
        self.fail(hit)?;
        operation.apply(&mut self.files[part as usize].cached);
        Ok(())
    }

    fn sync(&mut self, part: Part) -> Result<()> {
        let hit = self.fault_at(part, Kind::Sync);
        self.fail(hit)?;
        self.syncs += 1;
        if self.syncs <= self.honest_syncs {
            let file = &mut self.files[part as usize];
            for operation in file.unsynced.drain(..) {
                operation.apply(&mut file.durable);
            }
        }
        Ok(())
    }

    /// The fault that an operation of this kind on a part runs into.
    fn fault_at(&mut self, part: Part, kind: Kind) -> Option<Fault> {
        let hit = match self.fault.as_mut()? {
            Fault::PowerCut { after } | Fault::Kill { after } => passed(after),
            Fault::WriteFails { after, .. } => kind == Kind::Write && passed(after),
            Fault::SyncFails { after, .. } => kind == Kind::Sync && passed(after),
            Fault::Panics => part == Part::Wal && kind == Kind::Write,
        };
        self.fault.filter(|_| hit)
    }

    /// Makes of everything what the fault says.
    fn fail(&mut self, hit: Option<Fault>) -> Result<()> {
        let Some(fault) = hit else { return Ok(()) };
        match fault {
            Fault::PowerCut { .. } => self.lose_power(),
            Fault::Kill { .. } => self.running = false,
            Fault::Panics => panic!("a defect, for once"),
            Fault::WriteFails { until, .. } | Fault::SyncFails { until, .. } => {
                if until == Until::Once {
                    self.fault = None;
                }
                self.settle();
            }
        }
        Err(Error::new(ErrorKind::StorageFull, "the disk fails"))
    }

    fn lose_power(&mut self) {
        self.running = false;
        self.settle();
    }

    /// Decides what becomes of everything that is not durable; the next opening sees that.
    fn settle(&mut self) {
        for file in &mut self.files {
            file.forgotten = true;
            let mut operations = std::mem::take(&mut file.unsynced);
            match self.rng.below(8) {
                // Nothing came through, or everything did.
                0 => operations.clear(),
                1 => {}
                _ => {
                    self.rng.shuffle(&mut operations);
                    operations.retain_mut(|operation| survives(operation, &mut self.rng));
                }
            }
            for operation in operations {
                operation.apply(&mut file.durable);
            }
        }
    }
}

impl Operation {
    fn apply(self, image: &mut Vec<u8>) {
        match self {
            Self::SetLength(length) => image.resize(length, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[offset..end].copy_from_slice(&bytes);
            }
        }
    }
}

/// Counts an operation down; whether it is the one.
fn passed(after: &mut u64) -> bool {
    let hit = *after == 0;
    *after = after.saturating_sub(1);
    hit
}

/// Whether an unsynced operation reached the disk; a torn write is cut to the sectors that did.
fn survives(operation: &mut Operation, rng: &mut Rng) -> bool {
    let kept = rng.chance(1, 2);
    if let Operation::Write { offset, bytes } = operation
        && rng.chance(1, 3)
    {
        let start = *offset;
        let sectors = (start..start + bytes.len()).step_by(SECTOR).count() as u64;
        let cut = (rng.below(sectors + 1) as usize * SECTOR).saturating_sub(start % SECTOR).min(bytes.len());
        match kept {
            true => bytes.truncate(cut),
            false => {
                bytes.drain(..cut);
                *offset += cut;
            }
        }
        return !bytes.is_empty();
    }
    kept
}

/// One opening of a file.
#[derive(Debug)]
struct Handle {
    disk: Arc<Disk>,
    part: Part,
    number: u64,
}

impl Handle {
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.disk.state.lock();
        match state.running && state.files[self.part as usize].holder == Some(self.number) {
            true => Ok(state),
            false => Err(Error::new(ErrorKind::BrokenPipe, "the disk is gone, or another has the file")),
        }
    }

    /// The state for a write or a sync, once they do not hang.
    fn state_to_write(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state()?;
        if state.hangs == Some(self.part) {
            state.hanging += 1;
            self.disk.changed.wait_while(&mut state, |state| state.hangs == Some(self.part));
            state.hanging -= 1;
            drop(state);
            state = self.state()?;
        }
        Ok(state)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let holder = &mut self.disk.state.lock().files[self.part as usize].holder;
        holder.take_if(|holder| *holder == self.number);
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> Result<u64> {
        Ok(self.state()?.files[self.part as usize].cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state()?;
        let start = offset as usize;
        let bytes =
            state.files[self.part as usize].cached.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.state_to_write()?.issue(self.part, Operation::SetLength(len as usize))
    }

    fn sync_data(&self) -> Result<()> {
        self.state_to_write()?.sync(self.part)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.state_to_write()?.issue(self.part, Operation::Write { offset: offset as usize, bytes: data.to_vec() })
    }

    fn close(&self) -> Result<()> {
        let holder = &mut self.disk.state.lock().files[self.part as usize].holder;
        holder.take_if(|holder| *holder == self.number);
        Ok(())
    }
}

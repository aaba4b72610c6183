//! What can happen to an order, and all orders in which it can.

use std::collections::BTreeMap;

/// Something that is done to one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// An operator confirms it.
    Confirm,
    /// An operator cancels it.
    Cancel,
    /// An operator takes it back from the dead letters.
    Retry,
    /// An operator strikes it from the dead letters.
    Forget,
    /// A worker reports that it is fulfilled: now, or of a job that it was given before a restart.
    Fulfilled,
    /// A worker reports that it was refused for good.
    Rejected,
    /// A worker reports that the last attempt failed.
    Exhausted,
    /// A worker reports that an attempt failed and another follows.
    AttemptFailed,
    /// The clock reports the end of its hold: too early, in time, late or once more.
    Expired,
    /// Another buyer takes what this order would need, or gives it back.
    Rival,
}

/// One step of a sequence. The clock moves between any two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// One thing is done.
    One(Action),
    /// Two things are done before either is answered; they share a commit.
    Both(Action, Action),
    /// The clock passes the end of the hold, and nobody has looked yet.
    HoldEnds,
    /// What the queue has due or ready is taken: ended holds are reported, workers hold the rest.
    Turn,
    /// The whole sale is stopped.
    Stop,
    /// It starts again.
    Start,
    /// The server stops and starts.
    Close,
    /// The power goes in the commit of an action, which is lost.
    Cut(Action),
    /// The process dies in the commit of an action, which is on disk; there was no reply.
    Kill(Action),
}

/// What a step is for the engine, whichever order it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Commit,
    Turn,
    Stop,
    Start,
    Close,
    Cut,
    Kill,
}

/// What happens to one order, from its placing on.
pub(super) type Sequence = Vec<Event>;

impl Event {
    pub(super) const fn stage(self) -> Stage {
        match self {
            Self::One(_) | Self::Both(..) | Self::HoldEnds => Stage::Commit,
            Self::Turn => Stage::Turn,
            Self::Stop => Stage::Stop,
            Self::Start => Stage::Start,
            Self::Close => Stage::Close,
            Self::Cut(_) => Stage::Cut,
            Self::Kill(_) => Stage::Kill,
        }
    }

    /// What is done, in the order in which it is submitted.
    pub(super) const fn actions(self) -> [Option<Action>; 2] {
        match self {
            Self::One(action) | Self::Cut(action) | Self::Kill(action) => [Some(action), None],
            Self::Both(first, second) => [Some(first), Some(second)],
            Self::HoldEnds | Self::Turn | Self::Stop | Self::Start | Self::Close => [None, None],
        }
    }
}

/// Which sequences there are: all of `length` events, but for those with more restarts or pairs than said. A hold ends
/// once.
pub(super) struct Scope {
    pub(super) events: Vec<Event>,
    pub(super) length: usize,
    pub(super) most_restarts: usize,
    pub(super) most_pairs: usize,
}

impl Scope {
    /// All sequences, those together that have the same stages: they can share an engine.
    pub(super) fn sequences(&self) -> BTreeMap<Vec<Stage>, Vec<Sequence>> {
        let mut sequences = vec![Sequence::new()];
        for _ in 0..self.length {
            let longer = sequences
                .iter()
                .flat_map(|sequence| self.events.iter().map(move |event| [sequence.as_slice(), &[*event]].concat()));
            sequences = longer.filter(|sequence| self.contains(sequence)).collect();
        }
        let mut by_stages = BTreeMap::<_, Vec<_>>::new();
        for sequence in sequences {
            let stages = sequence.iter().map(|event| event.stage()).collect();
            by_stages.entry(stages).or_default().push(sequence);
        }
        by_stages
    }

    fn contains(&self, sequence: &[Event]) -> bool {
        let count = |is: fn(&Event) -> bool| sequence.iter().filter(|event| is(event)).count();
        count(|event| matches!(event, Event::Close | Event::Cut(_) | Event::Kill(_))) <= self.most_restarts
            && count(|event| matches!(event, Event::Both(..))) <= self.most_pairs
            && count(|event| *event == Event::HoldEnds) <= 1
    }
}

//! The reference: one order, its product and one other buyer, as the contract has it, one event after the other.

use flashsale::domain::job::{JobOutcome, JobState};
use flashsale::domain::order::OrderStatus;
use flashsale::domain::product::StockMove;

use super::event::Action;

/// Units of the product.
pub(super) const STOCK: u64 = 3;
/// Units of the order, and of the other buyer's: there are not enough for both.
pub(super) const UNITS: u32 = 2;
/// Units that one buyer may have: none beside the order.
pub(super) const LIMIT: u32 = UNITS;

/// Whether an order waits to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Held until it is confirmed.
    Held,
    /// The same, where a fulfilment service is to have it then.
    Posted,
    /// Fulfilled by a worker.
    Plain,
}

/// The reply to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// Reports are not answered.
    Nothing,
    /// Done; where the order is now.
    Done(OrderStatus),
    /// `order_not_pending`; where the order is.
    NotPending(OrderStatus),
    /// `hold_expired`: it did, and its units are gone.
    HoldExpired,
    /// `sold_out`.
    SoldOut,
    /// `job_not_found`.
    NoSuchJob,
    /// Another code.
    Other(&'static str),
}

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Pending,
    Confirmed,
    Failed(&'static str),
    Cancelled,
    Expired,
}

/// What became of posting an order that is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Post {
    /// There is nothing to post.
    None,
    Open,
    Delivered,
    Undelivered(&'static str),
}

use Standing::{Cancelled, Confirmed, Expired, Failed, Pending};

/// What can be seen of an order and its product from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct World {
    pub(super) status: OrderStatus,
    pub(super) failure: Option<&'static str>,
    pub(super) job_end: JobOutcome,
    /// What its job is doing, if the queue has it.
    pub(super) job: Option<JobState>,
    /// Units of the product on sale, held and sold.
    pub(super) stock: [u64; 3],
    /// Units on the counter that buyers compete for.
    pub(super) available: u64,
    /// Units that the buyer and the other one may still order.
    pub(super) allowed: [u32; 2],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    kind: Kind,
    standing: Standing,
    /// Whether the clock has passed the end of the hold.
    hold_ended: bool,
    /// Whether it was ever confirmed with nothing left to do.
    was_completed: bool,
    post: Post,
    /// Whether the whole sale is stopped.
    stopped: bool,
    /// Whether it is a dead letter.
    is_dead_letter: bool,
    /// Whether the other buyer has units.
    rival: bool,
    /// Whether its last attempt failed and the next one has a moment.
    retries: bool,
    job: JobState,
    /// Everything that its units did.
    moves: Vec<StockMove>,
}

impl Model {
    /// An order that was just placed.
    pub(super) fn placed(kind: Kind) -> Self {
        let mut model = Self {
            kind,
            standing: Pending,
            hold_ended: false,
            was_completed: false,
            post: Post::None,
            stopped: false,
            is_dead_letter: false,
            rival: false,
            retries: false,
            job: JobState::Waiting,
            moves: vec![StockMove::Hold],
        };
        model.job = model.resting_job();
        model
    }

    /// Everything that its units did so far.
    pub(super) fn moves(&self) -> &[StockMove] {
        &self.moves
    }

    pub(super) const fn is_dead_letter(&self) -> bool {
        self.is_dead_letter
    }

    pub(super) fn is_pending(&self) -> bool {
        self.standing == Pending
    }

    /// The clock passes the end of the hold.
    pub(super) const fn end_hold(&mut self) {
        self.hold_ended = true;
    }

    /// Does one thing and says what is answered.
    pub(super) fn act(&mut self, action: Action) -> Answer {
        match action {
            Action::Confirm => self.confirm(),
            Action::Cancel => self.cancel(),
            Action::Retry => self.retry(),
            Action::Forget if self.is_dead_letter => {
                self.is_dead_letter = false;
                Answer::Done(self.status())
            }
            Action::Forget => Answer::NoSuchJob,
            Action::Rival => self.rival(),
            Action::Fulfilled if self.post == Post::Open => self.end_post(Post::Delivered),
            Action::Rejected if self.post == Post::Open => self.end_post(Post::Undelivered("rejected")),
            Action::Exhausted if self.post == Post::Open => self.end_post(Post::Undelivered("attempts_exhausted")),
            Action::Fulfilled => self.report(Confirmed, StockMove::Sell),
            Action::Rejected => self.report(Failed("rejected"), StockMove::Release),
            Action::Exhausted => self.report(Failed("attempts_exhausted"), StockMove::Release),
            Action::AttemptFailed => {
                if self.standing == Pending || self.post == Post::Open {
                    // Of a posted order only one that is paid has attempts.
                    self.retries = self.kind != Kind::Posted || self.post == Post::Open;
                    self.job = self.resting_job();
                }
                Answer::Nothing
            }
            Action::Expired if self.post == Post::Open => Answer::Nothing,
            Action::Expired if self.kind != Kind::Plain && self.hold_ended => self.report(Expired, StockMove::Release),
            Action::Expired => {
                // Too early: the job goes back to wait.
                self.job = self.resting_job();
                Answer::Nothing
            }
        }
    }

    /// The clock's task and the workers take what there is.
    pub(super) fn turn(&mut self) {
        match self.kind {
            Kind::Posted if self.post == Post::Open => self.job = JobState::Active,
            Kind::Held | Kind::Posted if self.hold_ended => {
                self.act(Action::Expired);
            }
            Kind::Held | Kind::Posted => {}
            Kind::Plain => self.job = JobState::Active,
        }
    }

    /// The whole sale is stopped, or starts again.
    pub(super) const fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// So much time passes that every hold has ended, that of the other buyer as well.
    pub(super) fn outlast_hold(&mut self) {
        self.hold_ended = true;
        self.rival &= self.kind == Kind::Plain;
    }

    /// A new process: what workers held is in the queue again.
    pub(super) fn restart(&mut self) {
        self.job = self.resting_job();
    }

    fn confirm(&mut self) -> Answer {
        match self.standing {
            Pending => self.pay(StockMove::Sell),
            Expired if self.on_sale() >= u64::from(UNITS) => self.pay(StockMove::Resell),
            Expired => Answer::HoldExpired,
            Confirmed => Answer::Done(self.status()),
            Failed(_) | Cancelled => Answer::NotPending(self.status()),
        }
    }

    fn cancel(&mut self) -> Answer {
        match self.standing {
            Pending => self.go(Cancelled, StockMove::Release),
            Confirmed => self.go(Cancelled, StockMove::TakeBack),
            Cancelled | Expired => Answer::Done(self.status()),
            Failed(_) => Answer::NotPending(self.status()),
        }
    }

    fn retry(&mut self) -> Answer {
        if !self.is_dead_letter {
            return Answer::NoSuchJob;
        }
        if self.standing == Confirmed {
            self.is_dead_letter = false;
            return self.open_post();
        }
        if self.stopped {
            return Answer::Other("sale_not_active");
        }
        if self.on_sale() < u64::from(UNITS) {
            return Answer::SoldOut;
        }
        self.go(Pending, StockMove::Hold)
    }

    fn rival(&mut self) -> Answer {
        if self.rival {
            self.rival = false;
            return Answer::Done(OrderStatus::Cancelled);
        }
        if self.stopped {
            return Answer::Other("sale_not_active");
        }
        if self.on_sale() < u64::from(UNITS) {
            return Answer::SoldOut;
        }
        self.rival = true;
        Answer::Done(OrderStatus::Pending)
    }

    /// Follows a report if the order is still pending.
    fn report(&mut self, to: Standing, units: StockMove) -> Answer {
        if self.standing == Pending {
            self.go(to, units);
        }
        Answer::Nothing
    }

    /// The buyer has paid.
    fn pay(&mut self, units: StockMove) -> Answer {
        match self.kind {
            Kind::Posted => {
                let was_completed = self.was_completed;
                self.go(Confirmed, units);
                self.was_completed = was_completed;
                self.open_post()
            }
            Kind::Held | Kind::Plain => self.go(Confirmed, units),
        }
    }

    fn open_post(&mut self) -> Answer {
        self.post = Post::Open;
        self.retries = false;
        self.job = self.resting_job();
        Answer::Done(self.status())
    }

    fn end_post(&mut self, post: Post) -> Answer {
        self.post = post;
        self.retries = false;
        self.was_completed = post == Post::Delivered;
        self.is_dead_letter = post != Post::Delivered;
        Answer::Nothing
    }

    fn go(&mut self, to: Standing, units: StockMove) -> Answer {
        self.standing = to;
        self.moves.push(units);
        self.retries = false;
        self.post = Post::None;
        self.was_completed |= to == Confirmed;
        self.is_dead_letter = matches!(to, Failed(_));
        self.job = self.resting_job();
        Answer::Done(self.status())
    }

    /// What the job of an order does when no worker has it.
    const fn resting_job(&self) -> JobState {
        match (self.kind, self.retries) {
            (Kind::Posted, false) if matches!(self.post, Post::Open) => JobState::Waiting,
            (Kind::Held | Kind::Posted, _) | (_, true) => JobState::Delayed,
            (Kind::Plain, false) => JobState::Waiting,
        }
    }

    const fn status(&self) -> OrderStatus {
        match self.standing {
            Pending => OrderStatus::Pending,
            Confirmed => OrderStatus::Confirmed,
            Failed(_) => OrderStatus::Failed,
            Cancelled | Expired => OrderStatus::Cancelled,
        }
    }

    /// Units of the order, and of the other buyer's, that are not on sale.
    fn taken(&self) -> [u32; 2] {
        [matches!(self.standing, Pending | Confirmed), self.rival].map(|has| if has { UNITS } else { 0 })
    }

    fn on_sale(&self) -> u64 {
        STOCK - self.taken().iter().map(|units| u64::from(*units)).sum::<u64>()
    }

    /// What must be seen from outside.
    pub(super) fn world(&self) -> World {
        let [own, rival] = self.taken().map(u64::from);
        let sold = if self.standing == Confirmed { own } else { 0 };
        World {
            status: self.status(),
            failure: match (self.standing, self.post) {
                (Confirmed, Post::Undelivered(code)) => Some(code),
                (Pending | Confirmed, _) => None,
                (Failed(code), _) => Some(code),
                (Cancelled, _) => Some("cancelled"),
                (Expired, _) => Some("expired"),
            },
            job_end: match self.standing {
                Pending => JobOutcome::Open,
                _ if self.post == Post::Open => JobOutcome::Open,
                _ if self.was_completed => JobOutcome::Completed,
                _ => JobOutcome::Failed,
            },
            job: (self.standing == Pending || self.post == Post::Open).then_some(self.job),
            stock: [self.on_sale(), own - sold + rival, sold],
            available: self.on_sale(),
            allowed: self.taken().map(|units| LIMIT - units),
        }
    }
}

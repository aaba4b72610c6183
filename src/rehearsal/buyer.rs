//! What buyers do, one after the other, each in a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::{join, join_all};
use tokio::time::sleep_until;

use super::heard::{Acknowledged, Act, SoldOut};
use super::name::User;
use super::scenario::{Behaviour, Kind, Scenario};
use super::shop::{Outcome, PENDING, Placed, Shop, Wish};
use super::window::{ADMITTED, NO_RESPONSE, Route};

/// The first pause before an order is sent again; each further one is twice as long.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause, also if the server asks for a longer one: buyers are impatient.
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks at an order that is followed.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);
/// Orders of a buyer who comes back for more.
const COMES_BACK: u16 = 3;

/// A buyer on the way.
#[derive(Debug)]
pub(super) struct Buyer {
    shop: Arc<Shop>,
    kind: Kind,
    /// The number of its arrival.
    arrival: u64,
    lot: Rng,
    /// When its next step is due.
    due: Instant,
}

impl Buyer {
    /// The buyer who arrives as number `arrival` at `due`. The seed and this number decide all that it does.
    pub(super) fn new(shop: &Arc<Shop>, seed: u64, arrival: u64, due: Instant) -> Self {
        let mut lot = lot_of(seed, arrival);
        let kind = draw_kind(&shop.scenario, &mut lot);
        Self { shop: Arc::clone(shop), kind, arrival, lot, due }
    }

    /// All steps of this buyer.
    pub(super) async fn visit(mut self) {
        self.shop.window.lock().kinds[self.kind as usize].buyers += 1;
        match self.kind {
            Kind::Bot => self.hammer().await,
            Kind::GiveUp => self.give_up().await,
            Kind::DoubleClick => self.double_click().await,
            Kind::ComeBack => self.come_back().await,
            Kind::Buy | Kind::Cancel | Kind::PayLate => self.buy().await,
        }
    }

    async fn buy(&mut self) {
        let wish = self.look_and_think().await;
        let Some(placed) = self.place(wish).await else { return };
        match (self.kind, self.hold(wish.product)) {
            (Kind::Cancel, _) => {
                self.think().await;
                self.act(Act::Cancelled, placed.order_id).await;
            }
            (Kind::PayLate, Some(hold)) if self.lot.bool() => {
                // Some of these orders have just expired, and some are about to.
                let past = self.lot.f64() * 1.5 + 0.25;
                self.wait(hold.mul_f64(0.5) + hold.mul_f64(0.5 * past)).await;
                self.act(Act::Confirmed, placed.order_id).await;
            }
            (_, Some(_)) => {
                self.think().await;
                self.act(Act::Confirmed, placed.order_id).await;
            }
            (_, None) => self.follow(&placed).await,
        }
    }

    async fn come_back(&mut self) {
        let first = self.look_and_think().await;
        for nth in 0..COMES_BACK {
            let Some(placed) = self.place(Wish { nth, ..first }).await else { return };
            self.think().await;
            if self.hold(first.product).is_some() {
                self.act(Act::Confirmed, placed.order_id).await;
            }
        }
    }

    async fn double_click(&mut self) {
        let wish = self.look_and_think().await;
        let due = self.due;
        let request = self.shop.order(wish);
        let send = || self.shop.send(&self.shop.buyers, Route::Order, &request, due);
        let (first, second) = join(send(), send()).await;
        let mut placed = None;
        let began = first.sent.min(second.sent);
        for outcome in [first, second] {
            self.shop.count_asked(self.kind);
            self.note(wish, &outcome, began);
            placed = outcome.placed.or(placed);
        }
        // One of the two may have been told that the other one is in flight; none may have got through.
        let placed = match placed {
            Some(placed) => placed,
            None => match self.place_again(wish, Some(began)).await {
                Some(placed) => placed,
                None => return,
            },
        };
        if self.hold(wish.product).is_some() {
            self.think().await;
            self.act(Act::Confirmed, placed.order_id).await;
        }
    }

    /// Half of them leave after a look, the others while their order is on its way.
    async fn give_up(&mut self) {
        let wish = self.look_and_think().await;
        if self.lot.bool() {
            self.shop.count_asked(self.kind);
            let request = self.shop.order(wish);
            self.shop.order_and_hang_up(&request, self.due).await;
            self.unsure(wish);
        }
    }

    async fn hammer(&mut self) {
        let names = u64::from(self.behaviour().bot_orders);
        let wishes: Vec<_> =
            (0..names).map(|name| Wish { user: User::bot(self.arrival, name), ..self.wish() }).collect();
        let sends = wishes.iter().map(|wish| {
            let request = self.shop.order(*wish);
            let (shop, due) = (&self.shop, self.due);
            async move { shop.send(&shop.bots, Route::Order, &request, due).await }
        });
        let outcomes = join_all(sends).await;
        for (wish, outcome) in wishes.into_iter().zip(outcomes) {
            self.shop.count_asked(self.kind);
            self.note(wish, &outcome, outcome.sent);
            if may_be_placed(&outcome) {
                self.unsure(wish);
            }
        }
    }

    /// Looks at a product, and thinks about it.
    async fn look_and_think(&mut self) -> Wish {
        let wish = self.wish();
        let product = self.shop.target.products[usize::from(wish.product)];
        let request = self.shop.request(Route::Browse, format_args!("/inventory/{product}"));
        self.shop.send(&self.shop.buyers, Route::Browse, &request, self.due).await;
        self.think().await;
        wish
    }

    /// Orders until there is an order or a reason why there is none: with the same key each time.
    async fn place(&mut self, wish: Wish) -> Option<Placed> {
        self.place_again(wish, None).await
    }

    /// The same for an order that may have been sent before, at `began`: its units may be taken since then.
    async fn place_again(&mut self, wish: Wish, mut began: Option<u64>) -> Option<Placed> {
        let request = self.shop.order(wish);
        let mut pause = RETRY_PAUSE;
        let mut is_unsure = false;
        for attempt in 0..=self.behaviour().retries {
            if attempt > 0 {
                let jitter = 0.5 + self.lot.f64();
                self.wait(pause.mul_f64(jitter)).await;
            }
            self.shop.count_asked(self.kind);
            let outcome = self.shop.send(&self.shop.buyers, Route::Order, &request, self.due).await;
            self.note(wish, &outcome, *began.get_or_insert(outcome.sent));
            if outcome.placed.is_some() || is_final(&outcome) {
                return outcome.placed;
            }
            is_unsure |= may_be_placed(&outcome);
            pause = outcome.retry_after.unwrap_or(pause * 2).min(LONGEST_RETRY_PAUSE);
        }
        if is_unsure {
            self.unsure(wish);
        }
        None
    }

    /// Asks what became of an order until that is known.
    async fn follow(&mut self, placed: &Placed) {
        for _ in 0..self.behaviour().follows {
            self.wait(FOLLOW_PAUSE).await;
            let request = self.shop.request(Route::Follow, format_args!("/orders/queue/{}", placed.job_id));
            let outcome = self.shop.send(&self.shop.buyers, Route::Follow, &request, self.due).await;
            if ![PENDING, NO_RESPONSE].contains(&outcome.code.1) {
                return;
            }
        }
    }

    /// Confirms or cancels an order, as the shop does for its buyer.
    async fn act(&mut self, act: Act, order: u64) {
        let (route, verb) = match act {
            Act::Confirmed => (Route::Confirm, "confirm"),
            Act::Cancelled => (Route::Cancel, "cancel"),
        };
        let request = self.shop.request(route, format_args!("/orders/{order}/{verb}"));
        let mut pause = RETRY_PAUSE;
        for _ in 0..=self.behaviour().retries {
            let outcome = self.shop.send(&self.shop.buyers, route, &request, self.due).await;
            match outcome.code {
                (Some(200), _) => return self.shop.heard.lock().acts.push((order, act)),
                // Both are repeatable, so what had no response is sent again.
                (None | Some(500..), _) => self.wait(pause).await,
                _ => return,
            }
            pause = (pause * 2).min(LONGEST_RETRY_PAUSE);
        }
    }

    /// Remembers what a buyer heard of an order that was first sent at `began`.
    fn note(&self, wish: Wish, outcome: &Outcome, began: u64) {
        let Wish { user, nth, product, quantity } = wish;
        let Outcome { sent, received, .. } = *outcome;
        let mut heard = self.shop.heard.lock();
        if let Some(Placed { order_id: order, .. }) = outcome.placed {
            heard.acknowledged.push(Acknowledged { order, user, nth, product, quantity, sent: began, received });
        } else if outcome.code.1 == "sold_out" {
            heard.sold_out(SoldOut { product, quantity, sent, received });
        }
    }

    fn unsure(&self, wish: Wish) {
        self.shop.heard.lock().unsure.push((wish.user, wish.nth));
    }

    fn wish(&mut self) -> Wish {
        let [few, many] = self.behaviour().quantity;
        let products = &self.shop.scenario.products;
        let is_held = |product: &u16| products[usize::from(*product)].hold_seconds.is_some();
        let mut fitting: Vec<u16> = (0..).take(products.len()).collect();
        if self.kind == Kind::PayLate && fitting.iter().any(is_held) {
            fitting.retain(is_held);
        }
        let product = fitting[self.lot.usize(..fitting.len())];
        Wish { user: User::buyer(self.arrival), nth: 0, product, quantity: self.lot.u32(few..=many) }
    }

    /// How long orders of a product wait for their payment, if they do.
    fn hold(&self, product: u16) -> Option<Duration> {
        self.shop.scenario.products[usize::from(product)]
            .hold_seconds
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    async fn think(&mut self) {
        let [least, most] = self.behaviour().think_ms;
        let time = Duration::from_millis(self.lot.u64(least..=most));
        self.wait(time).await;
    }

    /// Waits, and makes the next step due then.
    async fn wait(&mut self, time: Duration) {
        self.due = Instant::now() + time;
        if !time.is_zero() {
            sleep_until(self.due.into()).await;
        }
    }

    fn behaviour(&self) -> Behaviour {
        self.shop.scenario.behaviour
    }
}

/// Whether there may be an order that the buyer does not know of.
fn may_be_placed(outcome: &Outcome) -> bool {
    let (status, code) = outcome.code;
    status.is_none_or(|status| status >= 500 && code != "overloaded") || status == Some(201) && code != ADMITTED
}

/// Whether another try makes no sense.
fn is_final(outcome: &Outcome) -> bool {
    let (status, code) = outcome.code;
    status.is_some_and(|status| status < 500 && status != 429) && code != "request_in_flight"
}

/// What decides all that the buyer of an arrival does. The factor keeps runs of neighbouring seeds apart.
fn lot_of(seed: u64, arrival: u64) -> Rng {
    Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ arrival)
}

/// The kind of a user in a run of this scenario and seed.
pub(super) fn kind_of(scenario: &Scenario, seed: u64, user: User) -> Kind {
    match user.arrival() {
        Some(arrival) => draw_kind(scenario, &mut lot_of(seed, arrival)),
        None => Kind::Bot,
    }
}

fn draw_kind(scenario: &Scenario, lot: &mut Rng) -> Kind {
    let mut left = lot.u64(..scenario.buyers.sum());
    for kind in Kind::ALL {
        match left.checked_sub(scenario.buyers.of(kind).into()) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    Kind::Buy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_drawn_by_their_shares() {
        let scenario = Scenario::built_in("standard").unwrap();
        let mut counts = [0_u64; Kind::ALL.len()];
        let mut lot = Rng::with_seed(1);
        for _ in 0..100_000 {
            counts[draw_kind(&scenario, &mut lot) as usize] += 1;
        }
        for kind in Kind::ALL {
            let share = scenario.buyers.of(kind) as f64 / scenario.buyers.sum() as f64;
            assert!((counts[kind as usize] as f64 / 100_000.0 - share).abs() < 0.01, "{kind:?}");
        }
    }
}

//! What buyers and operators do, by chance.

use std::time::Duration;

use flashsale::admission::{Accepted, OrderRequest};
use flashsale::committer::{Edit, OperatorMove, Settlement};
use flashsale::domain::change::Actor;
use flashsale::domain::money::Money;
use flashsale::domain::order::{OrderId, Priority, Quantity, UserId};
use flashsale::domain::product::{ProductId, Terms};
use flashsale::domain::refusal::Refusal;
use flashsale::domain::transition::Transition;
use tokio::task::JoinSet;

use super::deed::{Deed, word};
use super::ledger::{Fate, Ledger, Request};
use crate::harness::engine::{Engine, key_of};
use crate::harness::rng::Rng;

/// Sold at once, with stock for everybody.
pub(super) const PLENTY: ProductId = ProductId(1);
/// Held until it is paid, a few for each user.
pub(super) const HELD: ProductId = ProductId(2);
/// Sold at once, and soon sold out.
pub(super) const SCARCE: ProductId = ProductId(3);

/// Units on sale of each product at the start.
const STOCK: [u64; 3] = [1_000_000, 60, 5];

/// Things done at the same time.
const MOST_AT_ONCE: u64 = 6;

/// Requests and the replies to them.
enum Replied {
    Placed(Vec<(usize, Result<Accepted, Refusal>)>),
    Moved(OperatorMove, Vec<(OrderId, Result<(), Refusal>)>),
    Restocked(ProductId, i64, Result<(), Refusal>),
    Nothing(Result<(), Refusal>),
}

/// Creates the products that the store does not have yet. The error is a refusal.
pub(super) async fn create_products(engine: &Engine) -> Result<(), Refusal> {
    for (number, units) in STOCK.into_iter().enumerate().skip(engine.inventory.len()) {
        let terms = Terms {
            sku: None,
            hidden: false,
            name: format!("product {}", number + 1),
            price: Money::from_cents(999 + number as u128),
            flash_sale_active: true,
            per_user_limit: (number == 1).then_some(3),
            sale_starts_at: None,
            sale_ends_at: None,
            hold_seconds: (number == 1).then_some(600),
        };
        engine.intake.edit(Edit::Create { terms, initial: units, current: units }).await?;
    }
    Ok(())
}

/// Does a few things at the same time and writes down the replies. The error is a broken promise. Whether something
/// was answered as unavailable is returned.
pub(super) async fn step(engine: &Engine, ledger: &mut Ledger, rng: &mut Rng) -> Result<bool, String> {
    let mut tasks = JoinSet::new();
    let mut repeatable: Vec<_> = (0..ledger.requests.len()).collect();
    repeatable.retain(|request| ledger.requests[*request].order.key.is_some());
    for _ in 0..=rng.below(MOST_AT_ONCE) {
        start_something(engine, ledger, rng, &mut repeatable, &mut tasks);
    }
    let mut unavailable = false;
    while let Some(reply) = tasks.join_next().await {
        let reply = reply.map_err(|panic| panic.to_string())?;
        unavailable |= reply.was_unavailable();
        reply.write_down(ledger)?;
    }
    Ok(unavailable)
}

/// `repeatable` are earlier requests that may come again; each comes once in a step, so that its answers have an
/// order.
fn start_something(
    engine: &Engine,
    ledger: &mut Ledger,
    rng: &mut Rng,
    repeatable: &mut Vec<usize>,
    tasks: &mut JoinSet<Replied>,
) {
    let (admission, intake) = (engine.admission.clone(), engine.intake.clone());
    match rng.below(100) {
        0..45 => {
            let request = new_request(ledger, rng);
            let order = ledger.requests[request].order.clone();
            tasks.spawn(async move { Replied::Placed(vec![(request, admission.place(order).await)]) });
        }
        45..60 => {
            let requests: Vec<_> = (0..=rng.below(8)).map(|_| new_request(ledger, rng)).collect();
            place_many(engine, ledger, requests, tasks);
        }
        60..70 => {
            let repeated = (0..=rng.below(4)).map_while(|_| {
                let place = rng.below(repeatable.len().max(1) as u64) as usize;
                (place < repeatable.len()).then(|| repeatable.swap_remove(place))
            });
            place_many(engine, ledger, repeated.collect(), tasks);
        }
        70..88 => {
            let known = ledger.orders();
            let all = [OperatorMove::Confirm, OperatorMove::Cancel, OperatorMove::Retry, OperatorMove::Forget];
            let to = *rng.pick(&all);
            let orders: Vec<_> = (0..=rng.below(3)).filter_map(|_| recent(&known, rng)).collect();
            tasks.spawn(async move {
                let reply = match intake.move_orders(orders.clone(), to).await {
                    Ok(results) => results.into_iter().map(|result| result.map(drop)).collect(),
                    Err(refusal) => vec![Err(refusal); orders.len()],
                };
                Replied::Moved(to, orders.into_iter().zip(reply).collect())
            });
        }
        88..91 => {
            let (product, delta) = (*rng.pick(&[HELD, SCARCE]), rng.below(5) as i64 - 1);
            tasks.spawn(async move {
                let reply = intake.edit(Edit::Restock { product, delta }).await;
                Replied::Restocked(product, delta, reply.map(drop))
            });
        }
        91..94 => {
            let paused = rng.chance(1, 2);
            tasks.spawn(async move { Replied::Nothing(intake.set_paused(paused).await) });
        }
        94..97 => {
            engine.clock.advance(Duration::from_secs(200));
            let expired = engine.queue.wake_due(usize::MAX);
            let expire = |order| Settlement { order, transition: Transition::Expired, actor: Actor::Clock };
            let settlements = expired.into_iter().map(expire).collect();
            tasks.spawn(async move { reported(intake.settle(settlements).await) });
        }
        _ => {
            let known = ledger.orders();
            let reports: Vec<_> = (0..4).filter_map(|_| recent(&known, rng)).collect();
            let retry_after = Duration::from_secs(100);
            let transition = |rng: &mut Rng| match rng.below(3) {
                0 => Transition::AttemptFailed { error: "a bad gateway".to_owned(), retry_after, paid: false },
                1 => Transition::AttemptsExhausted { error: "a bad gateway again".to_owned() },
                _ => Transition::Rejected { error: "no such address".to_owned() },
            };
            let settlement = |order| Settlement { order, transition: transition(rng), actor: Actor::Worker };
            let settlements = reports.into_iter().map(settlement).collect();
            tasks.spawn(async move { reported(intake.settle(settlements).await) });
        }
    }
}

/// A report has no answer; one that was not taken counts as lost.
fn reported(_taken: bool) -> Replied {
    Replied::Nothing(Ok(()))
}

fn place_many(engine: &Engine, ledger: &Ledger, requests: Vec<usize>, tasks: &mut JoinSet<Replied>) {
    let admission = engine.admission.clone();
    let orders = requests.iter().map(|request| ledger.requests[*request].order.clone()).collect();
    tasks.spawn(async move {
        let answers = admission.place_many(orders).await;
        Replied::Placed(requests.into_iter().zip(answers).collect())
    });
}

/// An order of a new user, or of one who has ordered before.
fn new_request(ledger: &mut Ledger, rng: &mut Rng) -> usize {
    let number = ledger.requests.len();
    let keyed = rng.chance(1, 2);
    // A keyed request has a user of its own, so that its order is known from all others.
    let user = match !keyed && number > 0 && rng.chance(1, 3) {
        true => format!("user {}", rng.below(number as u64)),
        false => format!("{} {number}", if keyed { "keyed" } else { "user" }),
    };
    let order = OrderRequest {
        attached: None,
        product: *rng.pick(&[PLENTY, PLENTY, HELD, SCARCE]),
        user: UserId::new(&user).unwrap(),
        quantity: Quantity::new(1 + rng.below(3) as u32).unwrap(),
        priority: *rng.pick(&Priority::ALL),
        key: keyed.then(|| key_of(&format!("key-{number}"))),
        is_operators: true,
    };
    ledger.requests.push(Request { order, fate: Fate::Refused });
    number
}

/// One of the latest orders.
fn recent(known: &[OrderId], rng: &mut Rng) -> Option<OrderId> {
    let latest = &known[known.len().saturating_sub(12)..];
    (!latest.is_empty()).then(|| *rng.pick(latest))
}

impl Replied {
    fn was_unavailable(&self) -> bool {
        let unavailable = |refusal: &Refusal| *refusal == Refusal::StorageUnavailable;
        match self {
            Self::Placed(answers) => answers.iter().any(|(_, answer)| answer.as_ref().is_err_and(unavailable)),
            Self::Moved(_, answers) => answers.iter().any(|(_, answer)| answer.as_ref().is_err_and(unavailable)),
            Self::Restocked(_, _, answer) | Self::Nothing(answer) => answer.as_ref().is_err_and(unavailable),
        }
    }

    fn write_down(self, ledger: &mut Ledger) -> Result<(), String> {
        match self {
            Self::Placed(answers) => {
                answers.iter().try_for_each(|(request, answer)| ledger.answered(*request, answer))?;
            }
            Self::Moved(to, answers) => {
                answers.iter().for_each(|(order, answer)| ledger.did(Deed::Moved(*order, word(to)), answer));
            }
            Self::Restocked(product, units, answer) => ledger.did(Deed::Restocked(product, units), &answer),
            Self::Nothing(_) => {}
        }
        Ok(())
    }
}

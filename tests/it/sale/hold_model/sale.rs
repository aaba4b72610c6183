//! The engine with many orders at once, each of which lives one sequence on a product of its own, beside what the
//! model says of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flashsale::committer::{Edit, ProductPatch, Settlement};
use flashsale::domain::change::Actor;
use flashsale::domain::clock::Clock;
use flashsale::domain::money::Money;
use flashsale::domain::order::{OrderId, UserId};
use flashsale::domain::product::{ProductId, Terms};
use flashsale::domain::transition::Transition;

use crate::harness::disk::{Disk, Fault, Loss};
use crate::harness::engine::{Engine, clock};
use crate::harness::gate::Gate;

use super::event::{Action, Event, Sequence, Stage};
use super::model::{Answer, Kind, LIMIT, Model, STOCK};
use super::observed::{Observed, Rows, Written};
use super::request::{Ask, Asked, BUYER, Reply, ask_all, order_request, submit};

/// Orders that share an engine.
pub(super) const MOST_CASES: usize = 128;
/// The clock moves by this between two steps.
const TICK: Duration = Duration::from_secs(60);
/// A product with units for everybody, whose orders are there to be committed.
const FILLER: ProductId = ProductId(MOST_CASES as u64 + 1);

/// What was asked for, and how it was answered.
pub(super) type Seen = BTreeSet<(Action, Answer)>;

/// One order that lives one sequence.
struct Case {
    sequence: Sequence,
    product: ProductId,
    order: OrderId,
    /// The other buyer's order, while it has units.
    rival: Option<OrderId>,
    /// What can be by now: more than one only where two things were done at once, and what is seen fits both orders.
    models: Vec<Model>,
    /// As it was seen last.
    rows: Option<Rows>,
}

struct Sale {
    kind: Kind,
    disk: Arc<Disk>,
    gate: Arc<Gate>,
    clock: Clock,
    cases: Vec<Case>,
    /// Steps that were begun.
    begun: usize,
    seen: Seen,
}

/// Something did not go as the model says.
struct Deviation {
    /// The number of the case; the first where it can be any.
    case: usize,
    why: String,
}

impl From<String> for Deviation {
    fn from(why: String) -> Self {
        Self { case: 0, why }
    }
}

/// A disk with a store that has a product for each of [`MOST_CASES`] sequences of this length.
pub(super) async fn stocked_disk(kind: Kind, length: usize) -> Result<Arc<Disk>, String> {
    let disk = Disk::new(0);
    let engine = Engine::start(&disk, &clock())?;
    // An order that is placed in the n-th tick expires in the n-th step: see `Sale::place`.
    let hold = TICK.as_secs() as u32 * (length as u32 + 1);
    for number in 1..=FILLER.0 {
        let is_filler = number == FILLER.0;
        let terms = Terms {
            sku: None,
            hidden: false,
            name: "lamp".to_owned(),
            price: Money::from_cents(999),
            flash_sale_active: true,
            per_user_limit: (!is_filler).then_some(LIMIT),
            sale_starts_at: None,
            sale_ends_at: None,
            hold_seconds: (!is_filler && kind != Kind::Plain).then_some(hold),
        };
        let units = if is_filler { 1_000_000 } else { STOCK };
        let made = engine.intake.edit(Edit::Create { terms, initial: units, current: units }).await;
        made.map_err(|refusal| format!("a product: {refusal:?}"))?;
    }
    engine.stop().await;
    Ok(disk)
}

/// Lives sequences that have the same stages, on a copy of the disk. The error is a sequence that deviates from the
/// model; the first one where it can be any of them.
pub(super) async fn live(disk: &Disk, kind: Kind, sequences: &[Sequence]) -> Result<Seen, String> {
    let (disk, gate, clock) = (disk.copy(), Arc::new(Gate::default()), clock());
    let mut sale = Sale { kind, disk, gate, clock, cases: Vec::new(), begun: 0, seen: Seen::new() };
    match sale.live(sequences).await {
        Ok(()) => Ok(sale.seen),
        Err(Deviation { case, why }) => {
            let sequence = sale.cases.get(case).map_or(&sequences[0], |case| &case.sequence);
            Err(format!("{:?}: {why}", &sequence[..sale.begun]))
        }
    }
}

impl Sale {
    fn start(&self) -> Result<Engine, String> {
        Engine::start_posting(self.gate.medium(&self.disk), &self.clock, self.kind == Kind::Posted)
    }

    /// Stops the whole sale, but for the product that is there to be committed, or starts it again.
    async fn set_sale(&mut self, engine: &Engine, on: bool) -> Result<(), String> {
        let intake = &engine.intake;
        let set = if on { intake.start_sale().await } else { intake.stop_sale().await };
        set.map_err(|refusal| format!("the sale: {refusal:?}"))?;
        if !on {
            let patch = ProductPatch { flash_sale_active: Some(true), ..ProductPatch::default() };
            let back = intake.edit(Edit::Update { product: FILLER, patch }).await;
            back.map_err(|refusal| format!("the product to be committed: {refusal:?}"))?;
        }
        self.cases.iter_mut().flat_map(|case| &mut case.models).for_each(|model| model.set_stopped(!on));
        Ok(())
    }

    async fn live(&mut self, sequences: &[Sequence]) -> Result<(), Deviation> {
        let mut engine = self.start()?;
        self.place(&engine, sequences).await?;
        self.compare(&engine)?;
        for (step, event) in sequences[0].iter().enumerate() {
            self.begun += 1;
            self.clock.advance(TICK);
            for case in self.cases.iter_mut().filter(|case| case.sequence[step] == Event::HoldEnds) {
                case.models.iter_mut().for_each(Model::end_hold);
            }
            match event.stage() {
                Stage::Commit => self.act(&engine, step).await?,
                Stage::Turn => self.turn(&engine).await?,
                Stage::Stop | Stage::Start => self.set_sale(&engine, event.stage() == Stage::Start).await?,
                stage => engine = self.restart(engine, step, stage).await?,
            }
            self.compare(&engine)?;
        }
        self.end(&engine).await?;
        engine.stop().await;
        Ok(())
    }

    /// Places the orders. Those whose hold ends in the n-th step are placed in the n-th tick, and those whose hold does
    /// not end after them.
    async fn place(&mut self, engine: &Engine, sequences: &[Sequence]) -> Result<(), String> {
        let length = sequences[0].len();
        let tick_of =
            |sequence: &&Sequence| sequence.iter().position(|event| *event == Event::HoldEnds).unwrap_or(length);
        for tick in 0..=length {
            let placed: Vec<_> = sequences.iter().filter(|sequence| tick_of(sequence) == tick).collect();
            let products = (self.cases.len() as u64 + 1..).map(ProductId);
            let requests = products.clone().take(placed.len()).map(|product| order_request(product, BUYER));
            let receipts = engine.admission.place_many(requests.collect()).await;
            for ((sequence, product), receipt) in placed.into_iter().zip(products).zip(receipts) {
                self.cases.push(Case {
                    sequence: sequence.clone(),
                    product,
                    order: receipt.map_err(|refusal| format!("placing: {refusal:?}"))?.receipt.order,
                    rival: None,
                    models: vec![Model::placed(self.kind)],
                    rows: None,
                });
            }
            if tick < length {
                self.clock.advance(TICK);
            }
        }
        Ok(())
    }

    /// Submits something while the committer is kept in another commit, so that all of it shares the next one.
    fn submit_together(&self, engine: &Engine, submit_all: impl FnOnce() -> Vec<Asked>) -> Result<Vec<Asked>, String> {
        self.gate.shut();
        let mut asked = vec![submit_filler(engine)];
        self.gate.wait_for_commit()?;
        asked.extend(submit_all());
        asked.push(submit_filler(engine));
        Ok(asked)
    }

    /// Lets what was submitted together be committed, and returns the answers.
    async fn answers(&self, asked: Vec<Asked>) -> Result<Vec<Reply>, String> {
        self.gate.open();
        let mut replies = Vec::new();
        for asked in asked {
            replies.extend(asked.await.map_err(|refusal| format!("refused altogether: {refusal:?}"))?);
        }
        match self.gate.syncs() {
            2 => Ok(replies),
            syncs => Err(format!("{syncs} commits where everything was submitted for the second one")),
        }
    }

    /// The actions of a step: first the first of every case, then the second of those that have two.
    fn submit_actions(&self, engine: &Engine, step: usize) -> Vec<Asked> {
        let round = |round: usize| {
            let cases = self.cases.iter().enumerate();
            let asks = cases.filter_map(|(case, Case { sequence, product, order, rival, .. })| {
                let action = sequence[step].actions()[round]?;
                Some(Ask { action, case, order: *order, product: *product, rival: *rival })
            });
            ask_all(engine, self.kind, asks)
        };
        [0, 1].into_iter().flat_map(round).collect()
    }

    async fn act(&mut self, engine: &Engine, step: usize) -> Result<(), Deviation> {
        let asked = self.submit_together(engine, || self.submit_actions(engine, step))?;
        let mut replies = vec![Vec::new(); self.cases.len()];
        for reply in self.answers(asked).await? {
            replies[reply.case].push(reply.answer);
            self.seen.insert((reply.action, reply.answer));
            if reply.action == Action::Rival {
                self.cases[reply.case].rival = reply.rival;
            }
        }
        for (number, (case, replies)) in self.cases.iter_mut().zip(replies).enumerate() {
            let event = case.sequence[step];
            let outcomes: Vec<_> = case.models.iter().flat_map(|model| outcomes(model, event)).collect();
            let fitting = outcomes.iter().filter(|(_, answers)| *answers == replies);
            case.models = fitting.map(|(model, _)| model.clone()).collect();
            if case.models.is_empty() {
                let expected: Vec<_> = outcomes.iter().map(|(_, answers)| answers).collect();
                return Err(Deviation { case: number, why: format!("replied {replies:?}, not one of {expected:?}") });
            }
        }
        Ok(())
    }

    /// What the clock's task does, and workers that take everything.
    async fn turn(&mut self, engine: &Engine) -> Result<(), String> {
        let asked = self.submit_together(engine, || {
            let expire = |order| Settlement { order, transition: Transition::Expired, actor: Actor::Clock };
            let expired = engine.queue.wake_due(usize::MAX).into_iter().map(expire).collect();
            drop(engine.queue.try_take(usize::MAX));
            let intake = engine.intake.clone();
            vec![submit(async move {
                intake.settle(expired).await;
                Ok(Vec::new())
            })]
        })?;
        self.answers(asked).await?;
        self.cases.iter_mut().flat_map(|case| &mut case.models).for_each(Model::turn);
        Ok(())
    }

    async fn restart(&mut self, engine: Engine, step: usize, stage: Stage) -> Result<Engine, Deviation> {
        match stage {
            Stage::Cut | Stage::Kill => self.die(engine, step, stage).await?,
            _ => engine.stop().await,
        }
        let engine = self.start()?;
        // Some are counted one by one, before all are.
        for case in self.cases.iter().filter(|case| case.product.0 % 2 == 0) {
            let purchases = engine.inventory.item(case.product).and_then(|item| item.purchases());
            let purchases = purchases.ok_or_else(|| "nobody counts".to_owned())?;
            let counted = engine.intake.counts().count_user(case.product, purchases, UserId::new(BUYER).unwrap()).await;
            counted.map_err(|refusal| format!("{BUYER} is not counted: {refusal:?}"))?;
        }
        engine.await_counts();
        let observed = Observed::of(&engine)?;
        for (number, case) in self.cases.iter_mut().enumerate() {
            if let Event::Kill(action) = case.sequence[step] {
                for model in &mut case.models {
                    model.act(action);
                }
                continue;
            }
            let rows = Some(observed.rows(case.order, case.product)?);
            if rows != case.rows {
                let why = format!("{rows:?} after the restart, {:?} before it", case.rows);
                return Err(Deviation { case: number, why });
            }
        }
        self.cases.iter_mut().flat_map(|case| &mut case.models).for_each(Model::restart);
        Ok(engine)
    }

    /// Whether the order was before where the action wants it.
    fn is_repeated(&self, reply: &Reply) -> bool {
        self.cases[reply.case].models.iter().any(|model| {
            let mut after = model.clone();
            after.act(reply.action) == reply.answer && after == *model
        })
    }

    /// Ends the process in the commit of a step's actions. None of them may be answered as done, but for those that
    /// find the order where they want it.
    async fn die(&self, engine: Engine, step: usize, stage: Stage) -> Result<(), Deviation> {
        let mut asked = Vec::new();
        if stage == Stage::Kill {
            asked.extend(self.submit_together(&engine, || self.submit_actions(&engine, step))?);
            self.gate.let_one_pass();
            self.gate.wait_for_commit()?;
            self.disk.arm(Fault::Kill { after: 0 });
        } else {
            // What is lost need not be one commit; the last one before it is that of the last step.
            self.gate.shut();
            asked.extend(self.submit_actions(&engine, step));
            asked.push(submit_filler(&engine));
            self.gate.wait_for_commit()?;
            self.disk.cut(Loss::All);
        }
        self.gate.open();
        engine.stop().await;
        self.disk.restart();
        for asked in asked {
            let Ok(replies) = asked.await else { continue };
            let is_done = |reply: &Reply| matches!(reply.answer, Answer::Done(_)) && !self.is_repeated(reply);
            let done = replies.into_iter().find(is_done);
            if let Some(Reply { case, answer, .. }) = done {
                return Err(Deviation { case, why: format!("replied {answer:?} for a commit that failed") });
            }
        }
        Ok(())
    }

    /// Compares everything with the models.
    fn compare(&mut self, engine: &Engine) -> Result<(), Deviation> {
        let observed = Observed::of(engine)?;
        for (number, case) in self.cases.iter_mut().enumerate() {
            let deviation = |why| Deviation { case: number, why };
            let rows = observed.rows(case.order, case.product).map_err(deviation)?;
            let world = observed.world(&rows).map_err(deviation)?;
            if !case.models.iter().any(|model| model.world() == world) {
                let expected: Vec<_> = case.models.iter().map(Model::world).collect();
                return Err(deviation(format!("found {world:?}, not one of {expected:?}")));
            }
            case.models.retain(|model| model.world() == world);
            case.rows = Some(rows);
        }
        Ok(())
    }

    /// Lets everything come to its end: holds run out, and workers fulfil the rest. Then the store must have written
    /// down for each order what the model says that its units did.
    async fn end(&mut self, engine: &Engine) -> Result<(), Deviation> {
        let length = self.cases[0].sequence.len();
        self.clock.advance(TICK * (length as u32 + 1));
        self.cases.iter_mut().flat_map(|case| &mut case.models).for_each(Model::outlast_hold);
        self.turn(engine).await?;
        if self.kind != Kind::Held {
            let fulfil = |(case, Case { product, order, .. }): (usize, &Case)| Ask {
                action: Action::Fulfilled,
                case,
                order: *order,
                product: *product,
                rival: None,
            };
            let cases = self.cases.iter().enumerate();
            let asked = self.submit_together(engine, || ask_all(engine, self.kind, cases.map(fulfil)))?;
            self.answers(asked).await?;
            for model in self.cases.iter_mut().flat_map(|case| &mut case.models) {
                model.act(Action::Fulfilled);
            }
        }
        self.compare(engine)?;
        let written = Written::in_store_of(engine)?;
        for (case, Case { order, models, .. }) in self.cases.iter().enumerate() {
            let moves = written.moves.get(order).map_or(&[][..], Vec::as_slice);
            let is_dead_letter = written.dead_letters.contains(order);
            if models.iter().any(Model::is_pending) {
                return Err(Deviation { case, why: "it is pending at the end".to_owned() });
            }
            if !models.iter().any(|model| model.moves() == moves && model.is_dead_letter() == is_dead_letter) {
                let why = format!("its units did {moves:?}, or its dead letter is not what one of {models:?} says");
                return Err(Deviation { case, why });
            }
        }
        Ok(())
    }
}

/// Submits what is not about any case: with it, a commit is written even if nothing else changes anything.
fn submit_filler(engine: &Engine) -> Asked {
    let admission = engine.admission.clone();
    submit(async move { admission.place(order_request(FILLER, BUYER)).await.map(|_| Vec::new()) })
}

/// What can come of an event: the model after it, and the answers in the order of submission. Two things that are done
/// at once may happen in either order.
fn outcomes(model: &Model, event: Event) -> Vec<(Model, Vec<Answer>)> {
    let mut model = model.clone();
    match event.actions() {
        [Some(first), Some(second)] => {
            let mut turned = model.clone();
            let in_order = vec![model.act(first), model.act(second)];
            let second = turned.act(second);
            let reversed = vec![turned.act(first), second];
            vec![(model, in_order), (turned, reversed)]
        }
        actions => {
            let answers = actions.into_iter().flatten().map(|action| model.act(action)).collect();
            vec![(model, answers)]
        }
    }
}

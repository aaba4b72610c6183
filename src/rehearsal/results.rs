//! The results of a rehearsal as they are written down.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::book::Book;
use super::buyer::kind_of;
use super::facts::ProductFact;
use super::machine::{self, Machine};
use super::name::User;
use super::own_server::OwnServer;
use super::plan::Plan;
use super::scenario::{Kind, Phase};
use super::stock_line::StockLines;
use super::verdict::{self, Evidence};
use super::window::{
    ADMITTED, Code, HUNG_UP, KindCounts, NO_RESPONSE, Route, Window, histogram, latency, micros, percentiles,
};
use crate::domain::clock::Timestamp;
use crate::domain::digits::grouped;
use crate::domain::order::OrderStatus;
use crate::view::load_test::{
    CodeView, EndpointView, EventView, FORMAT, FirstView, FunnelView, KindView, LoadTestView, LostView, MachineView,
    PhaseView, ProductView, ScheduleView, SecondView, ServerView, VERSION,
};

/// The first buyers that are listed.
const FIRST: usize = 5;
/// Requests that are sent later than this at p99 make the figures those of the generator too, in microseconds.
const LATE: u64 = 20_000;
/// Failures so long after a kill are its doing, in seconds.
const AFTERMATH: u64 = 2;

/// Everything that is known of a run.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) began: Timestamp,
    pub(super) duration: Duration,
    pub(super) seconds: Vec<SecondView>,
    pub(super) total: &'a Window,
    pub(super) book: &'a Book<'a>,
    pub(super) events: Vec<EventView>,
    /// Orders that the fulfilment service of its own took.
    pub(super) delivered: Option<&'a HashSet<u64>>,
    pub(super) generator_cpu: Duration,
    pub(super) url: String,
    pub(super) own: Option<&'a OwnServer>,
}

/// Draws the verdict and writes everything down.
pub(super) fn write(run: &Run<'_>) -> LoadTestView {
    let Run { plan, book, total, began, .. } = run;
    let checks = verdict::checks(&Evidence {
        scenario: &plan.scenario,
        book,
        total,
        failed: run.failed_by_itself(),
        delivered: run.delivered,
        began: began.millis(),
    });
    let products = run.products();
    let mut events = run.events.clone();
    events.extend(products.iter().filter_map(sold_out));
    events.sort_by_key(|event| event.at_ms);
    LoadTestView {
        format: FORMAT.to_owned(),
        version: VERSION,
        scenario: plan.scenario.name.clone(),
        command: plan.command.clone(),
        seed: plan.seed,
        started_at: began.to_string(),
        duration_ms: run.duration.as_millis() as u64,
        held: checks.iter().all(|check| check.holds),
        checks,
        p99_goal_ms: plan.scenario.goals.p99_ms,
        funnel: run.funnel(),
        products,
        phases: phases(&plan.scenario.phases),
        events,
        seconds: run.seconds(),
        latency: latency(&run.all_latencies()),
        order_latency: latency(&total.routes[Route::Order as usize]),
        codes: total.codes.iter().map(code_view).collect(),
        first: run.first(),
        kinds: run.kinds(),
        endpoints: Route::ALL.into_iter().filter_map(|route| endpoint(total, route)).collect(),
        schedule: run.schedule(),
        machine: run.machine(),
        server: run.server(),
    }
}

impl Run<'_> {
    /// Requests that failed while nothing was done to the server.
    fn failed_by_itself(&self) -> u64 {
        let is_disturbed = |second: u64| {
            self.events.iter().any(|event| {
                let until = event.until_ms.unwrap_or(event.at_ms) / 1_000;
                // What is counted for a second may be some milliseconds of the next one.
                let from = (event.at_ms / 1_000).saturating_sub(1);
                (from..=until + AFTERMATH).contains(&second)
            })
        };
        (0..).zip(&self.seconds).filter(|(at, _)| !is_disturbed(*at)).map(|(_, second)| second.failed).sum()
    }

    fn products(&self) -> Vec<ProductView> {
        let mut last = HashMap::<u16, (u64, i64)>::new();
        for order in &self.book.facts.orders {
            let newest = last.entry(order.product).or_default();
            *newest = (*newest).max((order.id, order.created));
        }
        let view = |(place, product): (u16, &ProductFact)| ProductView {
            id: product.id,
            name: product.name.clone(),
            stock: product.initial_stock.saturating_add_signed(product.adjusted_stock),
            sold: product.sold_stock,
            held: product.held_stock,
            left: product.current_stock,
            per_user_limit: product.per_user_limit,
            sold_out_ms: last
                .get(&place)
                .filter(|_| product.current_stock == 0)
                .map(|(_, at)| (at - self.began.millis()).max(0).unsigned_abs()),
        };
        (0..).zip(&self.book.facts.products).map(view).collect()
    }

    fn funnel(&self) -> FunnelView {
        let mut funnel = FunnelView { admitted: self.book.heard.acknowledged.len() as u64, ..FunnelView::default() };
        funnel.repeated = funnel.admitted;
        for told in self.book.granted() {
            funnel.repeated -= 1;
            match self.book.facts.order(told.order).map(|order| order.status) {
                Some(OrderStatus::Confirmed) => funnel.confirmed += 1,
                Some(OrderStatus::Cancelled) => funnel.cancelled += 1,
                Some(OrderStatus::Failed) => funnel.failed += 1,
                // A lost order is none of these; the verdict names it, and the funnel counts it as pending.
                Some(OrderStatus::Pending) | None => funnel.pending += 1,
            }
        }
        funnel.asked = self.total.codes.values().sum();
        let mut lost: HashMap<&'static str, u64> = HashMap::new();
        for ((_, code), count) in &self.total.codes {
            if *code != ADMITTED {
                *lost.entry(code).or_default() += count;
            }
        }
        let view =
            |(code, count): (&'static str, u64)| LostView { code: code.to_owned(), count, note: self.note(code) };
        funnel.lost = lost.into_iter().map(view).collect();
        funnel.lost.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
        funnel
    }

    /// What there is to say about requests that got no order.
    fn note(&self, code: &str) -> String {
        match code {
            "sold_out" => match self.book.heard.first_sold_out() {
                Some(first) => format!("the first one {:.1} s into the run", first as f64 / 1e6),
                None => String::new(),
            },
            "purchase_limit_exceeded" => "buyers who came back for more than the limit".to_owned(),
            "rate_limited" => "bots, and buyers who hurried too much".to_owned(),
            "overloaded" => "asked to come back later".to_owned(),
            HUNG_UP => "left before the response".to_owned(),
            NO_RESPONSE => match self.events.iter().find(|event| event.kind == "kill") {
                Some(_) => "cut off by the kill, asked again with the same key".to_owned(),
                None => "no response in time".to_owned(),
            },
            _ => String::new(),
        }
    }

    fn seconds(&self) -> Vec<SecondView> {
        let lines = StockLines::by_the_server(self.book.facts, self.began.millis());
        let with_left = |(at, second): (u64, &SecondView)| SecondView {
            left: Some(lines.left_at((at + 1) * 1_000_000)),
            ..second.clone()
        };
        (0..).zip(&self.seconds).map(with_left).collect()
    }

    fn all_latencies(&self) -> Histogram<u64> {
        let mut all = histogram();
        self.total.routes.iter().for_each(|route| all += route);
        all
    }

    fn first(&self) -> Vec<FirstView> {
        let mut orders = HashMap::<User, u64>::new();
        let mut in_order = Vec::new();
        for order in &self.book.facts.orders {
            let Some((user, told)) = order.user.zip(self.book.first_told(order.id)) else { continue };
            let count = orders.entry(user).or_default();
            if *count == 0 {
                in_order.push((user, told.received));
            }
            *count += 1;
        }
        let all = in_order.len();
        let view = |(at, (user, after_us)): (usize, &(User, u64))| FirstView {
            place: at as u64 + 1,
            user_id: user.name(),
            after_us: *after_us,
            orders: orders.get(user).copied().unwrap_or(0),
        };
        let listed = in_order.iter().enumerate();
        listed.filter(|(at, _)| *at < FIRST || at + 1 == all).map(view).collect()
    }

    fn kinds(&self) -> Vec<KindView> {
        // A buyer's kind follows from its arrival; what it got is counted by its name.
        let mut got = [0_u64; Kind::ALL.len()];
        for told in self.book.granted() {
            got[kind_of(&self.plan.scenario, self.plan.seed, told.user) as usize] += 1;
        }
        let view = |(kind, (KindCounts { buyers, asked }, got)): (Kind, (KindCounts, u64))| KindView {
            kind: kind.title().to_owned(),
            buyers,
            asked,
            got,
        };
        let all = Kind::ALL.into_iter().zip(self.total.kinds.into_iter().zip(got));
        all.filter(|(kind, _)| self.plan.scenario.buyers.of(*kind) > 0).map(view).collect()
    }

    fn schedule(&self) -> ScheduleView {
        let late = percentiles(&self.total.late).unwrap_or_default();
        let Window { due, started, .. } = *self.total;
        ScheduleView {
            kept: due == started && late.p99 <= LATE,
            due,
            sent: started,
            late,
            connections: self.plan.connections.into(),
        }
    }

    fn machine(&self) -> MachineView {
        let Machine { processor, memory_bytes, system } = Machine::here();
        MachineView {
            processors: std::thread::available_parallelism().map_or(0, |count| count.get() as u64),
            processor,
            memory_bytes,
            system,
            generator_threads: self.plan.threads.into(),
            generator_cpu_ms: self.generator_cpu.as_millis() as u64,
            generator_peak_bytes: machine::peak_bytes("self").unwrap_or(0),
        }
    }

    fn server(&self) -> ServerView {
        let spent = self.own.map(OwnServer::spent);
        ServerView {
            url: self.url.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            own: self.own.is_some(),
            store: self.own.and_then(|own| machine::file_system(own.dir())),
            cpu_ms: spent.map(|spent| spent.cpu.as_millis() as u64),
            peak_bytes: spent.map(|spent| spent.peak_bytes),
            own_p99_ms: self.book.facts.own_p99_ms,
        }
    }
}

fn sold_out(product: &ProductView) -> Option<EventView> {
    Some(EventView {
        at_ms: product.sold_out_ms?,
        until_ms: None,
        kind: "sold_out".to_owned(),
        label: "sold out".to_owned(),
        message: format!("last of {} units of {} taken", grouped(product.stock), product.name),
    })
}

fn phases(phases: &[Phase]) -> Vec<PhaseView> {
    let mut from = 0.0;
    let view = |phase: &Phase| {
        let to = from + phase.seconds;
        let millis = |seconds: f64| micros(Duration::from_secs_f64(seconds)) / 1_000;
        let view =
            PhaseView { name: phase.name.clone(), from_ms: millis(from), to_ms: millis(to), rate: phase.rates() };
        from = to;
        view
    };
    phases.iter().map(view).collect()
}

fn code_view(((status, code), count): (&Code, &u64)) -> CodeView {
    CodeView { status: *status, code: (*code).to_owned(), count: *count }
}

fn endpoint(total: &Window, route: Route) -> Option<EndpointView> {
    let values = &total.routes[route as usize];
    let view = || EndpointView { endpoint: route.title().to_owned(), requests: values.len(), latency: latency(values) };
    (!values.is_empty()).then(view)
}

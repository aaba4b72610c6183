//! A whole rehearsal: a server, its products, the load, what goes wrong in the middle, the verdict.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::RehearsalError;
use super::book::Book;
use super::facts;
use super::load::{Load, Measured};
use super::machine;
use super::own_server::OwnServer;
use super::plan::{Place, Plan};
use super::pool::{Pool, Sources};
use super::prepare::Preparation;
use super::results::{self, Run};
use super::service::Service;
use super::shop::{Shop, Target};
use super::window::{Route, Window, percentiles};
use crate::client::{Calls, Client};
use crate::config::{Secret, ServerUrl};
use crate::domain::clock::{Clock, Timestamp};
use crate::view::load_test::{EventView, LoadTestView, PercentilesView};

/// Time between the last preparation and the first buyer.
const LEAD: Duration = Duration::from_millis(100);
/// Between two looks at the stock.
const STOCK_EVERY: Duration = Duration::from_secs(1);
/// The first loopback addresses of buyers and of bots: each connection of a shard has one of its own.
const BUYERS_FROM: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const BOTS_FROM: Ipv4Addr = Ipv4Addr::new(127, 255, 0, 1);
/// Addresses of each shard.
const SHARD_ADDRESSES: u32 = 1 << 16;
/// Connections of the bots of one shard.
const BOT_CONNECTIONS: u32 = 16;

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the first buyer was due.
    pub elapsed: Duration,
    /// Of the last second.
    pub requests: u64,
    /// Orders that were admitted and refused in the last second, and requests that failed.
    pub admitted: u64,
    /// See [`Progress::admitted`].
    pub refused: u64,
    /// See [`Progress::admitted`].
    pub failed: u64,
    /// Of orders in the last second.
    pub latency: Option<PercentilesView>,
    /// Orders that were admitted since the start.
    pub all_admitted: u64,
    /// How late requests of the last second were sent at p99.
    pub late: Duration,
    /// Units of the scenario's products that were left at the last look, if there was one.
    pub left: Option<u64>,
}

/// Holds a rehearsal, and gives its results. `look` is called once a second. An interrupt or SIGTERM ends the arrivals
/// early.
pub fn rehearse(plan: Plan, mut look: impl FnMut(&Progress)) -> Result<LoadTestView, RehearsalError> {
    let service = plan.fulfillment_outage.then(Service::start).transpose()?.map(Arc::new);
    let stage = Stage::set(&plan, service.as_deref())?;
    let clock = Clock::system();
    let start = Instant::now() + LEAD;
    let began = Timestamp::from_millis(clock.now().millis() + LEAD.as_millis() as i64);
    let load = Load::start(shops(&plan, &stage, start), plan.seed, start)?;
    let trouble = Trouble::plan(&plan, &stage, service.clone(), start)?;
    let stock = StockWatch::start(stage.client.clone(), stage.target.products.clone())?;
    let signals = stop_on_signals(Arc::clone(&load.stop))?;
    let measured = load.watch(|last, total, elapsed| look(&progress(last, total, elapsed, stock.left())));
    drop((signals, stock));
    let events = trouble.end()?;
    let generator_cpu = machine::cpu("self").unwrap_or_default();
    // A client of its own: the connections from before the run may have been cut.
    let calls = Calls::new(stage.client.clone())?;
    let Measured { seconds, total, heard, duration } = measured;
    let orders = heard.acknowledged.len() + heard.unsure.len();
    let facts = facts::collect(&calls, &stage.target.products, began, orders)?;
    let delivered = service.map(|service| service.seen());
    Ok(results::write(&Run {
        plan: &plan,
        began,
        duration,
        seconds,
        total: &total,
        book: &Book::of(heard, &facts),
        events,
        delivered: delivered.as_ref(),
        generator_cpu,
        url: stage.client.server().to_owned(),
        own: stage.own.as_deref(),
    }))
}

fn progress(last: &Window, total: &Window, elapsed: Duration, left: Option<u64>) -> Progress {
    Progress {
        elapsed,
        requests: last.requests,
        admitted: last.admitted,
        refused: last.refused,
        failed: last.failed,
        latency: percentiles(&last.routes[Route::Order as usize]),
        all_admitted: total.admitted,
        late: Duration::from_micros(last.late.value_at_quantile(0.99)),
        left,
    }
}

/// Looks once a second how many units are left, in a thread of its own: a server that hangs holds nothing up.
struct StockWatch {
    left: Arc<Mutex<Option<u64>>>,
    /// Ends the thread.
    _alive: Sender<()>,
}

impl StockWatch {
    fn start(client: Client, products: Vec<u64>) -> Result<Self, RehearsalError> {
        let (_alive, ended) = bounded::<()>(0);
        let left = Arc::new(Mutex::new(None));
        let (calls, shared) = (Calls::new(client)?, Arc::clone(&left));
        let watch = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(STOCK_EVERY) {
                let units: Result<u64, _> = products.iter().map(|id| facts::left_of(&calls, *id)).sum();
                *shared.lock() = units.ok();
            }
        };
        Builder::new().name("stock".to_owned()).spawn(watch).map_err(RehearsalError::Machine)?;
        Ok(Self { left, _alive })
    }

    fn left(&self) -> Option<u64> {
        *self.left.lock()
    }
}

/// A server that is ready for buyers.
struct Stage {
    client: Client,
    address: SocketAddr,
    target: Target,
    own: Option<Arc<OwnServer>>,
}

impl Stage {
    fn set(plan: &Plan, service: Option<&Service>) -> Result<Self, RehearsalError> {
        let (own, url, [admin_token, storefront_token]) = match &plan.place {
            Place::Own(server) => {
                let mut server = server.clone();
                if let Some(service) = service {
                    server.settings.push(("FULFILLMENT_URL".to_owned(), service.url()));
                    server.settings.push(("FULFILLMENT_ALLOW_PRIVATE".to_owned(), "true".to_owned()));
                }
                let own = OwnServer::start(server)?;
                let url = own.url();
                (Some(Arc::new(own)), url, [None; 2])
            }
            Place::Running { url, admin_token, storefront_token, .. } => {
                (None, url.clone(), [admin_token.as_ref(), storefront_token.as_ref()])
            }
        };
        let client = Client::new(&url, admin_token)?;
        let products = match &plan.place {
            Place::Own(_) => {
                let calls = Calls::new(client.clone())?;
                let prepared = Preparation::look(&calls, &plan.scenario, |_, _, _| false)?.run()?;
                prepared.products.iter().map(|product| product.id).collect()
            }
            Place::Running { products, .. } => products.clone(),
        };
        let (address, prefix, host) = resolve(&url)?;
        let header = |token: Option<&Secret>| {
            token.map_or_else(String::new, |token| format!("authorization: Bearer {}\r\n", token.expose()))
        };
        let (operator, storefront) = (header(admin_token), header(storefront_token.or(admin_token)));
        // Without randomness keys repeat those of a run before; on a fresh product they still mean other orders.
        let run = getrandom::u64().unwrap_or(0);
        let target = Target { prefix, host, operator, storefront, products, run };
        Ok(Self { client, address, target, own })
    }
}

/// The address, the prefix and the `Host` of a server's URL. The load goes there without TLS: what is measured is the
/// server, and not a proxy.
fn resolve(url: &str) -> Result<(SocketAddr, String, String), RehearsalError> {
    let no_address = || RehearsalError::NoAddress(url.to_owned());
    let parsed = ServerUrl::parse(url).map_err(|_| no_address())?;
    let origin = parsed.origin();
    let host = origin.strip_prefix("http://").ok_or_else(|| RehearsalError::Tls(url.to_owned()))?;
    let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut addresses = with_port.to_socket_addrs().map_err(|_| no_address())?.collect::<Vec<_>>();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = addresses.first().copied().ok_or_else(no_address)?;
    let prefix = url.trim_end_matches('/').strip_prefix(origin).unwrap_or_default().to_owned();
    Ok((address, prefix, host.to_owned()))
}

/// One shop for each thread.
fn shops(plan: &Plan, stage: &Stage, start: Instant) -> Vec<Arc<Shop>> {
    let scenario = Arc::new(plan.scenario.clone());
    let is_local = stage.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) && can_choose_addresses();
    let shop = |thread: u32| {
        let nth = |first: Ipv4Addr| Ipv4Addr::from_bits(first.to_bits() + thread * SHARD_ADDRESSES);
        let [buyers, bots] = match is_local {
            true => [Sources::Each(nth(BUYERS_FROM)), Sources::One(BOTS_FROM)],
            false => [Sources::Own; 2],
        };
        let pools = [
            Pool::new(stage.address, buyers, (plan.connections / plan.threads).max(1)),
            Pool::new(stage.address, bots, BOT_CONNECTIONS),
        ];
        Arc::new(Shop::new(stage.target.clone(), Arc::clone(&scenario), start, pools))
    };
    (0..plan.threads).map(shop).collect()
}

/// Whether this system lets connections come from any loopback address, as Linux does.
fn can_choose_addresses() -> bool {
    TcpListener::bind((BOTS_FROM, 0)).is_ok()
}

/// Ends the arrivals when this process is asked to end, for as long as the result lives.
fn stop_on_signals(stop: Arc<AtomicBool>) -> Result<watch::Sender<()>, RehearsalError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(RehearsalError::Machine)?;
    let (alive, mut ended) = watch::channel(());
    let (mut terminate, mut interrupt) = {
        let _guard = runtime.enter();
        let listen = |kind| signal(kind).map_err(RehearsalError::Machine);
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?)
    };
    let wait = async move {
        tokio::select! {
            _ = terminate.recv() => stop.store(true, Ordering::Relaxed),
            _ = interrupt.recv() => stop.store(true, Ordering::Relaxed),
            _ = ended.changed() => {}
        }
    };
    let thread = Builder::new().name("stop".to_owned()).spawn(move || runtime.block_on(wait));
    thread.map_err(RehearsalError::Machine)?;
    Ok(alive)
}

/// What goes wrong in the middle, in a thread of its own.
struct Trouble {
    thread: Option<JoinHandle<Result<(), RehearsalError>>>,
    events: Arc<Mutex<Vec<EventView>>>,
    /// Ends the thread early.
    alive: Sender<()>,
}

impl Trouble {
    fn plan(plan: &Plan, stage: &Stage, service: Option<Arc<Service>>, start: Instant) -> Result<Self, RehearsalError> {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (alive, ended) = bounded::<()>(0);
        let lasts = plan.scenario.duration();
        let acts = Acts {
            start,
            ended,
            events: Arc::clone(&events),
            kill: stage.own.clone().filter(|_| plan.kill).map(|server| (lasts / 2, server)),
            outage: service.filter(|_| plan.fulfillment_outage).map(|service| (lasts * 2 / 5, lasts * 3 / 5, service)),
        };
        let is_needed = acts.kill.is_some() || acts.outage.is_some();
        let thread = is_needed.then(|| Builder::new().name("trouble".to_owned()).spawn(move || acts.run()));
        let thread = thread.transpose().map_err(RehearsalError::Machine)?;
        Ok(Self { thread, events, alive })
    }

    /// Waits for its end, and gives what happened.
    fn end(self) -> Result<Vec<EventView>, RehearsalError> {
        drop(self.alive);
        if let Some(thread) = self.thread {
            thread.join().unwrap_or(Err(RehearsalError::Panicked))?;
        }
        let mut events = std::mem::take(&mut *self.events.lock());
        events.sort_by_key(|event| event.at_ms);
        Ok(events)
    }
}

struct Acts {
    start: Instant,
    ended: Receiver<()>,
    events: Arc<Mutex<Vec<EventView>>>,
    kill: Option<(Duration, Arc<OwnServer>)>,
    outage: Option<(Duration, Duration, Arc<Service>)>,
}

impl Acts {
    fn run(self) -> Result<(), RehearsalError> {
        // The kill is in the middle of the outage.
        if let Some((from, _, service)) = &self.outage
            && self.wait(*from)
        {
            service.set_away(true);
        }
        if let Some((at, server)) = &self.kill
            && self.wait(*at)
        {
            self.kill(server)?;
        }
        if let Some((from, to, service)) = &self.outage {
            self.wait(*to);
            service.set_away(false);
            self.events.lock().push(EventView {
                at_ms: from.as_millis() as u64,
                until_ms: Some(self.start.elapsed().as_millis() as u64),
                kind: "fulfillment_outage".to_owned(),
                label: "service away".to_owned(),
                message: "fulfilment service away".to_owned(),
            });
        }
        Ok(())
    }

    fn kill(&self, server: &OwnServer) -> Result<(), RehearsalError> {
        let at_ms = self.start.elapsed().as_millis() as u64;
        let took = server.kill_and_restart()?;
        self.events.lock().push(EventView {
            at_ms,
            until_ms: Some(at_ms + took.as_millis() as u64),
            kind: "kill".to_owned(),
            label: "kill -9".to_owned(),
            message: format!("server killed, taking orders again after {:.2} s", took.as_secs_f64()),
        });
        Ok(())
    }

    /// Waits until a moment of the run; false if the run ended before.
    fn wait(&self, at: Duration) -> bool {
        matches!(self.ended.recv_deadline(self.start + at), Err(RecvTimeoutError::Timeout))
    }
}

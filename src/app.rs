//! Composition: starts the rooms in order, runs them, and stops them in reverse.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admission::{Admission, RateLimits};
use crate::alerts::Alerts;
use crate::api::{self, Api};
use crate::committer::{self, Committer, Intake};
use crate::config::{Config, FulfillmentConfig};
use crate::domain::change::HistoryId;
use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::fulfillment::{self, Method, RetryPolicy, Webhook, WebhookConfig, WebhookConfigError, Workers};
use crate::http::{self, AdminToken, ServeConfig};
use crate::inventory::Inventory;
use crate::maintenance::counted;
use crate::metrics::Metrics;
use crate::monitor::{ClockWatch, WindowWatch};
use crate::open_files;
use crate::queue::Queue;
use crate::regular_file;
use crate::sample;
use crate::store::{self, Access, DirectoryLock, Medium, OpenError, Store, StoreError};
use crate::{limits, logging};

mod signals;

pub use signals::survive_file_size_limit;

use signals::Ends;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// Why the server did not start, or not end well.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The data directory.
    #[error("cannot make the data directory {0}: {1}")]
    DataDir(String, std::io::Error),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store, once open.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The fulfilment service.
    #[error(transparent)]
    Fulfillment(#[from] WebhookConfigError),
    /// The listener.
    #[error("cannot listen on {0}: {1}; choose another HOST and PORT")]
    Listen(SocketAddr, std::io::Error),
    /// Somebody else listens there.
    #[error(
        "cannot listen on {0}, where another program listens, maybe another server; stop it or choose another PORT"
    )]
    Taken(SocketAddr),
    /// The sample products.
    #[error("the sample products could not be written: {0}")]
    Sample(&'static str),
    /// The operating system.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
    /// A part that the server cannot do without.
    #[error("{0} ended while the server was running; the log says more; start the server again")]
    Ended(&'static str),
    /// The disk does not answer, or not in time.
    #[error(
        "stopped without closing the store, as the disk did not answer in time; all orders that were acknowledged are \
         in its log, and the next start reads them"
    )]
    Unclosed,
}

/// What a start found and set up, for people.
#[derive(Clone, Debug)]
pub struct Banner {
    /// Where the server listens.
    pub address: SocketAddr,
    store: String,
    history: HistoryId,
    products: usize,
    orders: u64,
    open: usize,
    found: Found,
    token: bool,
    fulfillment: bool,
}

/// In which state a start found the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// There was none.
    Nothing,
    /// As a server leaves it that is told to end.
    Closed,
    /// As a server leaves it that is killed.
    Killed,
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flashsale {}", env!("CARGO_PKG_VERSION"))?;
        let (products, orders) = (counted(self.products as u64, "product"), counted(self.orders, "order"));
        let new = if self.found == Found::Nothing { "new; " } else { "" };
        writeln!(f, "  store       {} ({new}{products}, {orders})", self.store)?;
        writeln!(f, "  history     {}", self.history)?;
        let goes = if self.open == 1 { "goes" } else { "go" };
        let open = format!("{} {goes} on", counted(self.open as u64, "open order"));
        match self.found {
            Found::Nothing => {}
            Found::Closed => writeln!(f, "  recovered   closed cleanly; {open}")?,
            Found::Killed => writeln!(f, "  recovered   after an unclean end; {open}")?,
        }
        let fulfillment = if self.fulfillment { "posted to the fulfilment service" } else { "confirmed at once" };
        writeln!(f, "  orders      {fulfillment}")?;
        let access = match self.token {
            true => "operator routes need the admin token",
            false => "open to this machine only: no ADMIN_TOKEN is set",
        };
        writeln!(f, "  access      {access}")?;
        write!(f, "  listening   http://{}", self.address)
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct App {
    committer: Committer,
    intake: Intake,
    workers: Workers,
    windows: WindowWatch,
    clock_watch: ClockWatch,
    store: Arc<Store>,
    server: JoinHandle<()>,
    nudges: JoinHandle<()>,
    stop: watch::Sender<bool>,
    shutdown_timeout: Duration,
    /// Given back when the store is closed: nobody else may work in the directory before.
    lock: Option<DirectoryLock>,
}

/// Runs the server until the process is told to end, or until a part has ended that it cannot do without. `announce` is
/// called once it listens.
pub fn run(config: Config, announce: impl FnOnce(&Banner)) -> Result<(), AppError> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(limits::MAX_LOOK_UPS + 8).build()?;
    let ended = runtime.block_on(async {
        let mut ends = Ends::new()?;
        let (mut app, banner) = App::start(config).await?;
        announce(&banner);
        ends.in_order();
        let ended = tokio::select! {
            signal = ends.next() => {
                tracing::info!(signal, "stopping");
                Ok(())
            }
            part = app.ended() => {
                tracing::error!("{part} ended; the server stops");
                Err(AppError::Ended(part))
            }
        };
        let _last_resort = LastResort::start(app.shutdown_timeout + limits::SHUTDOWN_GRACE)?;
        let stopped = app.stop().await;
        if stopped.is_ok() {
            tracing::info!("stopped");
        }
        ended.and(stopped)
    });
    // A thread that reads from a disk that hangs would be waited for without end.
    runtime.shutdown_background();
    ended
}

/// Ends the process when it has not stopped in time, whatever keeps it; unless it is dropped before.
struct LastResort(#[expect(dead_code, reason = "the thread waits for its drop")] crossbeam_channel::Sender<()>);

impl LastResort {
    fn start(at_most: Duration) -> std::io::Result<Self> {
        let (stopping, stopped) = crossbeam_channel::bounded::<()>(0);
        let wait = move || {
            if stopped.recv_timeout(at_most) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                tracing::error!("{}", AppError::Unclosed);
                logging::flush(limits::LOG_FLUSH_TIMEOUT);
                std::process::exit(1);
            }
        };
        std::thread::Builder::new().name("last-resort".to_owned()).spawn(wait)?;
        Ok(Self(stopping))
    }
}

impl App {
    /// Starts the rooms, from the store up to the listener.
    pub async fn start(config: Config) -> Result<(Self, Banner), AppError> {
        let file = store::file_in(&config.data_dir);
        Self::start_on(Medium::File(file), config).await
    }

    /// The same with the store in `medium`, which is in the data directory if it is a file.
    pub async fn start_on(medium: Medium, config: Config) -> Result<(Self, Banner), AppError> {
        let max_connections = open_files::connections(config.max_connections, open_files::raise(), config.workers);
        let clock = Clock::system();
        let method = method(config.fulfillment.as_ref())?;
        // Before the store is opened, so that one who cannot listen has made nothing; nobody can connect yet.
        let socket = bind(config.address)?;
        let (lock, store, recovered, found) = open_store(medium, &config)?;
        let last_record = (recovered.head.sequence > 0).then(|| recovered.head.at());
        let (orders, open) = (recovered.head.totals.all_orders(), recovered.open.len());
        let history = recovered.head.history();
        let samples = if config.sample_data { sample::missing(&recovered) } else { Vec::new() };
        let inventory = Arc::new(Inventory::default());
        let queue = Queue::new(config.queue_capacity, clock.clone());
        let queue = Arc::new(queue.with_hold_capacity(config.hold_capacity));
        let (metrics, alerts) = (Arc::new(Metrics::default()), Arc::new(Alerts::default()));
        let rooms = committer::Deps {
            store: Arc::clone(&store),
            inventory: Arc::clone(&inventory),
            queue: Arc::clone(&queue),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            journal_keep: config.journal_keep,
        };
        let (committer, intake) = Committer::start(rooms, recovered, &Handle::current())?;
        for product in samples {
            intake.edit(product).await.map_err(|refusal| AppError::Sample(refusal.code()))?;
        }
        let job_ids = Arc::new(JobIds::new(*store.secret()));
        let rooms = fulfillment::Deps {
            queue: Arc::clone(&queue),
            store: Arc::clone(&store),
            intake: intake.clone(),
            clock: clock.clone(),
            job_ids: Arc::clone(&job_ids),
            metrics: Arc::clone(&metrics),
        };
        let workers = Workers::start(&rooms, &method, config.workers);
        let (listener, address) = listen(socket, config.address)?;
        let rate_limits = Arc::new(RateLimits::new(&config.rate_limits));
        let admission = Admission::new(
            Arc::clone(&inventory),
            Arc::clone(&queue),
            Arc::clone(&store),
            intake.clone(),
            Arc::clone(&rate_limits),
            clock.clone(),
        );
        let windows = WindowWatch::start(Arc::clone(&inventory), Arc::clone(&alerts), clock.clone());
        let clock_watch = ClockWatch::start(Arc::clone(&alerts), Arc::clone(&metrics), clock.clone(), last_record);
        let token = AdminToken::new(config.admin_token.as_ref().map(|token| token.expose()));
        let banner = Banner {
            address,
            store: store::file_in(&config.data_dir).display().to_string(),
            products: inventory.len(),
            history,
            orders,
            open,
            found,
            token: config.admin_token.is_some(),
            fulfillment: config.fulfillment.is_some(),
        };
        let api = Api::new(api::Deps {
            admission: Arc::new(admission),
            intake: intake.clone(),
            inventory,
            queue,
            store: Arc::clone(&store),
            clock,
            job_ids,
            token,
            metrics: Arc::clone(&metrics),
            alerts,
        });
        if max_connections < config.max_connections / 2 {
            let wanted = config.max_connections;
            tracing::warn!(max_connections, wanted, "the limit of open files allows far fewer than MAX_CONNECTIONS");
        }
        let (stop, stopped) = watch::channel(false);
        let serving = ServeConfig {
            max_connections,
            max_per_address: per_address(config.max_per_address, max_connections),
            shutdown_timeout: config.shutdown_timeout.saturating_sub(limits::CLOSE_TIMEOUT),
            rate_limits,
            trusted_proxies: config.rate_limits.trusted_proxies.clone(),
            metrics,
        };
        let server = tokio::spawn(http::serve(listener, api, serving, stopped));
        let nudges = tokio::spawn(nudge(intake.stalls(), stop.clone()));
        let shutdown_timeout = config.shutdown_timeout;
        let parts = Self {
            committer,
            intake,
            workers,
            windows,
            clock_watch,
            store,
            server,
            nudges,
            stop,
            shutdown_timeout,
            lock,
        };
        Ok((parts, banner))
    }

    /// Returns the name of a part that the server cannot do without, when that has ended or panicked. The thread that
    /// writes the tables is not among them: when it ends, the committer opens the store again.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            () = self.committer.ended() => "the committer",
            () = self.workers.ended() => "a worker",
            () = self.windows.ended() => "the watch over sale windows",
            () = self.clock_watch.ended() => "the watch over the clock",
            _ = &mut self.server => "the listener",
            _ = &mut self.nudges => "the task that wakes orders when commits have stalled",
        }
    }

    /// Stops in reverse: no new orders, no new connections; then what was accepted is finished, the workers end, the
    /// committer commits what is left, and the store is closed. Each step has a bound, and what is not done by then is
    /// given up: it is in the store's log, or was not acknowledged.
    pub async fn stop(self) -> Result<(), AppError> {
        let end = Instant::now() + self.shutdown_timeout;
        let patience = self.shutdown_timeout.saturating_sub(limits::CLOSE_TIMEOUT);
        self.intake.shut();
        self.stop.send_replace(true);
        let served = async {
            // It may have ended before.
            if !self.server.is_finished() && tokio::time::timeout(patience, self.server).await.is_err() {
                tracing::warn!("the listener had not ended in time");
            }
        };
        tokio::join!(served, self.workers.stop(patience));
        self.intake.stop();
        let (committer, store, lock) = (self.committer, self.store, self.lock);
        let closing = tokio::task::spawn_blocking(move || {
            committer.join();
            store.close();
            drop(lock);
        });
        match tokio::time::timeout_at(end.into(), closing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(AppError::Ended("the closing of the store")),
            Err(_) => Err(AppError::Unclosed),
        }
    }
}

/// Connections of one client address: never more than half of all, so that no address has all of them.
const fn per_address(wanted: usize, total: usize) -> usize {
    let half = total.div_ceil(2);
    if wanted == 0 {
        usize::MAX
    } else if wanted < half {
        wanted
    } else {
        half
    }
}

/// Wakes all connections when commits have stalled, so that the orders that wait in them look whether they still
/// should: a change of what they listen to anyway wakes them, although the word to stop does not change.
async fn nudge(mut stalls: watch::Receiver<()>, stop: watch::Sender<bool>) {
    while stalls.changed().await.is_ok() {
        stop.send_modify(|_| {});
    }
}

/// What opening the store gives: for one in files also the lock of its directory.
type Opened = (Option<DirectoryLock>, Arc<Store>, store::Recovered, Found);

fn open_store(medium: Medium, config: &Config) -> Result<Opened, AppError> {
    let (lock, was_there) = match &medium {
        Medium::File(file) => {
            let directory = |error| AppError::DataDir(config.data_dir.display().to_string(), error);
            // For its owner only, as are the files in it: they hold the store's secret and the buyers' names.
            regular_file::make_directory(&config.data_dir).map_err(directory)?;
            let lock = DirectoryLock::take(&config.data_dir, Access::Writing)?;
            store::tidy(&config.data_dir).map_err(directory)?;
            (Some(lock), file.exists())
        }
        Medium::Backend { .. } => (None, true),
    };
    let (store, recovered) = Store::open(medium)?;
    let found = match was_there {
        false => Found::Nothing,
        true if recovered.unclosed => Found::Killed,
        true => Found::Closed,
    };
    Ok((lock, Arc::new(store), recovered, found))
}

fn method(config: Option<&FulfillmentConfig>) -> Result<Method, WebhookConfigError> {
    let Some(config) = config else { return Ok(Method::Instant) };
    let webhook = Webhook::new(WebhookConfig {
        url: config.url.expose().to_owned(),
        secret: config.secret.as_ref().map(|secret| secret.expose().to_owned()),
        timeout: config.timeout,
        allow_private: config.allow_private,
    })?;
    let policy = RetryPolicy { attempts: config.attempts, first_delay: config.first_delay };
    Ok(Method::Webhook(Arc::new(webhook), policy))
}

/// Takes an address. Nobody can connect before [`listen`].
fn bind(address: SocketAddr) -> Result<TcpSocket, AppError> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait for the connections of the server before it to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    open().map_err(|error| cannot_listen(address, error))
}

fn listen(socket: TcpSocket, address: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let listening = socket.listen(BACKLOG).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listening.map_err(|error| cannot_listen(address, error))?;
    Ok((listener, address))
}

fn cannot_listen(address: SocketAddr, error: std::io::Error) -> AppError {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => AppError::Taken(address),
        _ => AppError::Listen(address, error),
    }
}

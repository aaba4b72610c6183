//! Composition: starts the rooms in order, runs them, and stops them in reverse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::alerts::Alerts;
use crate::api::{self, Api};
use crate::config::{Config, DashboardAccess, Secret};
use crate::dashboard::{self, Dashboard};
use crate::domain::clock::Clock;
use crate::engine::{Engine, EngineConfig, EngineError, Found, OpenedStore};
use crate::feed::{self, Feed, FeedTask};
use crate::http::{self, AdminToken, PublicUrl, ServeConfig, StorefrontToken, Tokens};
use crate::mirror::{self, MirrorError, Mirrors, Targets};
use crate::monitor::{self, ClockWatch, Facts, History, LastRun, Monitor, WindowWatch};
use crate::outbound::WebhookConfigError;
use crate::sample;
use crate::store::{self, Medium};
use crate::{limits, logging};

mod banner;
mod check;
mod in_force;
mod listener;
mod method;
mod seed;
mod service_mark;
mod signals;
mod site;

pub use banner::Banner;
pub use check::{Checked, check};
pub use in_force::InForce;
pub use listener::ListenError;
pub use seed::seed;
pub use signals::survive_file_size_limit;

use listener::{bind, listen};
use method::method;
use signals::Ends;
use site::Site;

/// Why the server did not start, or not end well.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store, or the engine over it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The fulfilment service.
    #[error(transparent)]
    Fulfillment(#[from] WebhookConfigError),
    /// The listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The sample products.
    #[error("the sample products could not be written: {0}")]
    Sample(&'static str),
    /// The mirrors.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The operating system.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
    /// A part that the server cannot do without.
    #[error("{0} ended while the server was running; the log says more; start the server again")]
    Ended(&'static str),
    /// The disk does not respond, or not in time.
    #[error(
        "stopped without closing the store, as the disk did not respond in time; all orders that were acknowledged are \
         in its log, and the next start reads them"
    )]
    Unclosed,
}

/// A server that runs.
#[derive(Debug)]
pub struct App {
    engine: Engine,
    windows: WindowWatch,
    clock_watch: ClockWatch,
    feed: FeedTask,
    mirrors: Mirrors,
    figures: Arc<History>,
    server: JoinHandle<()>,
    nudges: JoinHandle<()>,
    stop: watch::Sender<bool>,
    shutdown_timeout: Duration,
}

/// Runs the server until a signal ends the process, or until a part has ended that it cannot do without. `announce` is
/// called once it listens.
pub fn run(config: Config, announce: impl FnOnce(&Banner)) -> Result<(), AppError> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(limits::MAX_LOOK_UPS + 8).build()?;
    let ended = runtime.block_on(async {
        let mut ends = Ends::new()?;
        let (mut app, banner) = App::start(config, || ends.in_order()).await?;
        announce(&banner);
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
    /// Starts the rooms, from the store up to the listener. `before_serving` is called before anybody gets a response.
    pub async fn start(config: Config, before_serving: impl FnOnce()) -> Result<(Self, Banner), AppError> {
        let file = store::file_in(&config.data_dir);
        Self::start_on(Medium::File(file), config, before_serving).await
    }

    /// The same with the store in `medium`, which is in the data directory if it is a file.
    pub async fn start_on(
        medium: Medium,
        config: Config,
        before_serving: impl FnOnce(),
    ) -> Result<(Self, Banner), AppError> {
        let targets = Targets::new(&config.mirrors)?;
        let in_force = InForce::of(&config, &targets);
        let clock = Clock::system();
        let method = method(config.fulfillment.as_ref())?;
        // Before the store is opened, so that one who cannot listen has made nothing; nobody can connect yet.
        let socket = bind(config.address)?;
        let kept_in = matches!(medium, Medium::File(_)).then(|| config.data_dir.clone());
        let opened = OpenedStore::open(medium)?;
        if let Some(data_dir) = &kept_in {
            service_mark::check(data_dir, config.fulfillment.is_some());
        }
        let (found, recovered) = (opened.found, &opened.recovered);
        let last_record = (recovered.head.sequence > 0).then(|| recovered.head.at());
        let (orders, open) = (recovered.head.totals.all_orders(), recovered.open.len());
        let history = recovered.head.history();
        let samples = if config.sample_data { sample::missing(recovered) } else { Vec::new() };
        let mut engine = Engine::start(opened, &EngineConfig::from(&config), clock.clone(), &Handle::current())?;
        let created = sample::create(&engine.intake, samples).await;
        created.map_err(|refusal| AppError::Sample(refusal.code()))?;
        engine.metrics.set_max_connections(in_force.max_connections);
        engine.start_workers(&method, config.workers);
        let (listener, address) = listen(socket, config.address)?;
        let alerts = Arc::new(Alerts::default());
        let windows = WindowWatch::start(Arc::clone(&engine.inventory), Arc::clone(&alerts), clock.clone());
        let clock_watch = ClockWatch::start(Arc::clone(&alerts), Arc::clone(&engine.metrics), clock, last_record);
        let figures = Arc::new(History::open(kept_in.as_deref(), history));
        let last_run = if found == Found::Killed { LastRun::Killed } else { LastRun::Stopped };
        figures.begin(engine.clock.now(), last_run);
        let monitor = Arc::new(Monitor::start(monitor::Deps {
            metrics: Arc::clone(&engine.metrics),
            queue: Arc::clone(&engine.queue),
            inventory: Arc::clone(&engine.inventory),
            store: Arc::clone(&engine.store),
            clock: engine.clock.clone(),
            workers: config.workers,
            data_dir: config.data_dir.clone(),
            max_open_files: in_force.max_open_files,
            alerts: Arc::clone(&alerts),
            intake: engine.intake.clone(),
            history: Arc::clone(&figures),
            thresholds: config.alerts,
            facts: facts(&config, address),
            orders_at_start: orders,
        }));
        let live = Arc::clone(&monitor);
        let mirrors = mirror::Deps {
            store: Arc::clone(&engine.store),
            job_ids: Arc::clone(&engine.job_ids),
            clock: engine.clock.clone(),
            metrics: Arc::clone(&engine.metrics),
            live: Arc::new(move || serde_json::to_string(&*live.latest()).unwrap_or_default()),
            kept_in: kept_in.clone(),
        };
        let mirrors = Mirrors::start(mirrors, targets, config.mirrors.kept_records)?;
        let token = config.admin_token.as_ref().map(Secret::expose);
        let public = PublicUrl::new(config.public_url.clone());
        if in_force.is_open_by_proxy() {
            tracing::warn!(
                "PUBLIC_URL is set and ADMIN_TOKEN is not: the proxy opens operator routes to all it lets in"
            );
        }
        let token = AdminToken::new(token, engine.store.secret(), engine.clock.clone(), public.clone());
        let storefront = StorefrontToken::new(config.storefront_token.as_ref().map(Secret::expose));
        let banner = Banner {
            address,
            store: store::file_in(&config.data_dir).display().to_string(),
            products: engine.inventory.len(),
            history,
            orders,
            open,
            found,
            in_force: in_force.clone(),
        };
        let dashboard = (config.pages.dashboard == DashboardAccess::On).then(|| {
            Dashboard::new(dashboard::Deps {
                intake: engine.intake.clone(),
                inventory: Arc::clone(&engine.inventory),
                queue: Arc::clone(&engine.queue),
                store: Arc::clone(&engine.store),
                clock: engine.clock.clone(),
                job_ids: Arc::clone(&engine.job_ids),
                token: token.clone(),
                public: public.clone(),
                metrics: Arc::clone(&engine.metrics),
                alerts: Arc::clone(&alerts),
                monitor: Arc::clone(&monitor),
                mirrors: in_force.mirrors.clone(),
            })
        });
        let feed = feed::Deps {
            store: Arc::clone(&engine.store),
            inventory: Arc::clone(&engine.inventory),
            alerts: Arc::clone(&alerts),
            monitor: Arc::clone(&monitor),
            metrics: Arc::clone(&engine.metrics),
            clock: engine.clock.clone(),
            token: token.clone(),
            public: public.clone(),
            max_clients: in_force.max_feed_clients,
        };
        let api = Api::new(api::Deps {
            admission: Arc::clone(&engine.admission),
            intake: engine.intake.clone(),
            inventory: Arc::clone(&engine.inventory),
            queue: Arc::clone(&engine.queue),
            store: Arc::clone(&engine.store),
            clock: engine.clock.clone(),
            job_ids: Arc::clone(&engine.job_ids),
            tokens: Tokens { admin: token, storefront },
            metrics: Arc::clone(&engine.metrics),
            alerts,
            monitor,
            public: public.clone(),
            docs: config.pages.docs,
        });
        let (stop, stopped) = watch::channel(false);
        let (feed, feed_task) = Feed::start(feed, stopped.clone());
        let site = Site { api, dashboard, feed };
        let InForce { max_connections, wanted_connections: wanted, max_per_address, .. } = in_force;
        if in_force.lacks_files() {
            tracing::warn!(max_connections, wanted, "the limit of open files allows far fewer than MAX_CONNECTIONS");
        }
        let serving = ServeConfig {
            max_connections,
            max_per_address,
            shutdown_timeout: config.shutdown_timeout.saturating_sub(limits::CLOSE_TIMEOUT),
            rate_limits: Arc::clone(&engine.rate_limits),
            trusted_proxies: config.rate_limits.trusted_proxies.clone(),
            public,
            has_token: config.admin_token.is_some(),
            cors: config.cors_origins.clone(),
            metrics: Arc::clone(&engine.metrics),
        };
        before_serving();
        let server = tokio::spawn(http::serve(listener, site, serving, stopped));
        let nudges = tokio::spawn(nudge(engine.intake.stalls(), stop.clone()));
        let shutdown_timeout = config.shutdown_timeout;
        let app = Self {
            engine,
            windows,
            clock_watch,
            feed: feed_task,
            mirrors,
            figures,
            server,
            nudges,
            stop,
            shutdown_timeout,
        };
        Ok((app, banner))
    }

    /// Returns the name of a part that the server cannot do without, when that has ended or panicked.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            part = self.engine.ended() => part,
            () = self.windows.ended() => "the watch over sale windows",
            () = self.clock_watch.ended() => "the watch over the clock",
            () = self.feed.ended() => "the live feed",
            _ = &mut self.server => "the listener",
            _ = &mut self.nudges => "the task that wakes orders when commits have stalled",
        }
    }

    /// Stops in reverse: no new orders, no new connections; then what was accepted is finished, the workers end, the
    /// committer commits what is left, and the store is closed. Each step has a bound, and what is not done by then is
    /// given up: it is in the store's log, or was not acknowledged.
    pub async fn stop(self) -> Result<(), AppError> {
        let Self { mut engine, mirrors, figures, server, stop, shutdown_timeout, .. } = self;
        let end = Instant::now() + shutdown_timeout;
        let patience = shutdown_timeout.saturating_sub(limits::CLOSE_TIMEOUT);
        engine.intake.shut();
        stop.send_replace(true);
        let served = async {
            // It may have ended before.
            if !server.is_finished() && tokio::time::timeout(patience, server).await.is_err() {
                tracing::warn!("the listener had not ended in time");
            }
        };
        tokio::join!(served, engine.stop_workers(patience));
        // With what is left of the time that is not the store's own.
        mirrors.stop((end - limits::CLOSE_TIMEOUT).saturating_duration_since(Instant::now())).await;
        let stopped_at = engine.clock.now();
        let closing = tokio::task::spawn_blocking(move || {
            engine.close();
            figures.end(stopped_at);
        });
        match tokio::time::timeout_at(end.into(), closing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(AppError::Ended("the closing of the store")),
            Err(_) => Err(AppError::Unclosed),
        }
    }
}

/// The settings that readiness is about.
fn facts(config: &Config, address: SocketAddr) -> Facts {
    Facts {
        address,
        token: config.admin_token.is_some(),
        fulfillment: config.fulfillment.is_some(),
        rate_per_user: config.rate_limits.per_user,
        rate_per_address: config.rate_limits.per_address,
    }
}

/// Wakes all connections when commits have stalled, so that the orders that wait in them look whether they still
/// should: a change of what they listen to anyway wakes them, although the word to stop does not change.
async fn nudge(mut stalls: watch::Receiver<()>, stop: watch::Sender<bool>) {
    while stalls.changed().await.is_ok() {
        stop.send_modify(|_| {});
    }
}

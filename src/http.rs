//! The REST API: the one route table, and what the handlers share.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::handler::Handler;
use axum::routing::{self, MethodFilter, MethodRouter};

use crate::admission::Admission;
use crate::alerts::Alerts;
use crate::committer::Intake;
use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::domain::refusal::Refusal;
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::store::Store;

mod access;
mod activity;
mod arriving;
mod audit;
mod backup;
mod batches;
mod body;
mod connection;
mod connections;
mod docs;
mod edge;
mod error;
mod form;
mod headers;
mod health;
mod in_flight;
mod inventory;
mod jobs;
mod ledger;
mod monitoring;
mod openapi;
mod order_lists;
mod orders;
mod page;
mod placing;
mod product_list;
mod query;
mod receipt;
mod serve;
mod socket;

pub use access::AdminToken;
pub use openapi::text as openapi_text;
pub use serve::{ServeConfig, serve};

use page::Cursors;
use product_list::ProductLists;

/// Where the API starts.
pub const BASE: &str = "/api/v1";

/// What the handlers work with.
#[derive(Debug)]
pub struct Deps {
    /// The way in for orders.
    pub admission: Arc<Admission>,
    /// The way to the committer.
    pub intake: Intake,
    /// The products.
    pub inventory: Arc<Inventory>,
    /// The jobs.
    pub queue: Arc<Queue>,
    /// What is on disk.
    pub store: Arc<Store>,
    /// The time of day.
    pub clock: Clock,
    /// The numbers of jobs.
    pub job_ids: Arc<JobIds>,
    /// The operator's credential.
    pub token: AdminToken,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The alerts that are raised.
    pub alerts: Arc<Alerts>,
}

/// The rooms as requests share them. A handler names the parts that it uses, and gets no others.
#[derive(Clone, Debug)]
pub struct Shared(Arc<SharedRooms>);

#[derive(Debug)]
struct SharedRooms {
    rooms: Deps,
    desk: Arc<placing::PlaceOrder>,
    cursors: Arc<Cursors>,
    lists: Arc<ProductLists>,
    backup_turn: backup::Turn,
}

/// Lets handlers take one part of [`Shared`].
macro_rules! part {
    ($part:ty, $field:ident) => {
        impl FromRef<Shared> for $part {
            fn from_ref(shared: &Shared) -> Self {
                shared.0.rooms.$field.clone()
            }
        }
    };
}

part!(Arc<Admission>, admission);
part!(Intake, intake);
part!(Arc<Inventory>, inventory);
part!(Arc<Queue>, queue);
part!(Arc<Store>, store);
part!(Clock, clock);
part!(Arc<JobIds>, job_ids);
part!(AdminToken, token);
part!(Arc<Metrics>, metrics);
part!(Arc<Alerts>, alerts);

impl FromRef<Shared> for Arc<Cursors> {
    fn from_ref(shared: &Shared) -> Self {
        Arc::clone(&shared.0.cursors)
    }
}

impl FromRef<Shared> for Arc<ProductLists> {
    fn from_ref(shared: &Shared) -> Self {
        Arc::clone(&shared.0.lists)
    }
}

impl FromRef<Shared> for backup::Turn {
    fn from_ref(shared: &Shared) -> Self {
        shared.0.backup_turn.clone()
    }
}

impl FromRef<Shared> for Arc<placing::PlaceOrder> {
    fn from_ref(shared: &Shared) -> Self {
        Arc::clone(&shared.0.desk)
    }
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Whoever has the admin token, where one is set.
    Operator,
}

/// One row of the route table.
#[derive(Debug)]
pub struct Route {
    /// The path.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// The method.
    pub method: MethodFilter,
    /// Whether its handler reads the query, and says which parameters it knows; no other route takes one.
    reads_query: bool,
    handler: MethodRouter<Shared>,
}

impl Route {
    fn reading_query(self) -> Self {
        Self { reads_query: true, ..self }
    }
}

/// A method and what answers it.
type Answers = (MethodFilter, MethodRouter<Shared>);

fn public(path: &'static str, (method, handler): Answers) -> Route {
    Route { path, access: Access::Public, method, reads_query: false, handler }
}

fn operator(path: &'static str, (method, handler): Answers) -> Route {
    Route { path, access: Access::Operator, method, reads_query: false, handler }
}

fn get<H: Handler<T, Shared>, T: 'static>(handler: H) -> Answers {
    (MethodFilter::GET, routing::get(handler))
}

fn post<H: Handler<T, Shared>, T: 'static>(handler: H) -> Answers {
    (MethodFilter::POST, routing::post(handler))
}

fn put<H: Handler<T, Shared>, T: 'static>(handler: H) -> Answers {
    (MethodFilter::PUT, routing::put(handler))
}

fn delete<H: Handler<T, Shared>, T: 'static>(handler: H) -> Answers {
    (MethodFilter::DELETE, routing::delete(handler))
}

/// The routes below [`BASE`]. A path stands once for each of its methods.
pub fn api_routes() -> Vec<Route> {
    vec![
        public("/orders", post(placing::place)),
        operator("/orders", get(order_lists::filtered)).reading_query(),
        operator("/orders/batch", post(batches::place)),
        operator("/orders/{id}", get(orders::read)),
        public("/orders/queue/{jobId}", get(orders::follow)),
        operator("/orders/user/{userId}", get(order_lists::of_user)).reading_query(),
        operator("/orders/{id}/confirm", post(orders::confirm)),
        operator("/orders/{id}/cancel", post(orders::cancel)),
        operator("/orders/admin/metrics", get(orders::metrics)),
        public("/inventory", get(inventory::list)),
        operator("/inventory", post(inventory::create)),
        public("/inventory/{id}", get(inventory::read)),
        operator("/inventory/{id}", put(inventory::update)),
        operator("/inventory/{id}", delete(inventory::delete)),
        operator("/inventory/{id}/restock", post(inventory::restock)),
        operator("/inventory/{id}/ledger", get(ledger::read)).reading_query(),
        operator("/inventory/metrics", get(inventory::metrics)),
        operator("/inventory/audit", get(audit::audit)),
        operator("/queue", get(jobs::counts)),
        operator("/queue/pause", post(jobs::pause)),
        operator("/queue/resume", post(jobs::resume)),
        operator("/queue/jobs", get(jobs::list)).reading_query(),
        operator("/queue/dead-letter", get(jobs::dead_letters)).reading_query(),
        operator("/queue/dead-letter", delete(jobs::forget_all)).reading_query(),
        operator("/queue/dead-letter/retry", post(jobs::retry_all)).reading_query(),
        operator("/queue/dead-letter/{jobId}", delete(jobs::forget)),
        operator("/queue/dead-letter/{jobId}/retry", post(jobs::retry)),
        public("/monitoring/health", get(health::health)),
        operator("/monitoring/alerts", get(monitoring::alerts)),
        operator("/metrics", get(monitoring::metrics)),
        operator("/admin/backup", get(backup::stream)),
    ]
}

/// The routes at the root.
pub fn root_routes() -> Vec<Route> {
    vec![
        public("/livez", get(health::live)),
        public("/readyz", get(health::ready)),
        operator("/metrics", get(monitoring::metrics)),
        public("/openapi.json", get(docs::description)),
        public("/docs", get(docs::page)),
        public("/docs/{file}", get(docs::part)),
    ]
}

/// All routes, ready to answer.
#[derive(Clone, Debug)]
pub struct Api {
    router: Router,
    /// What answers a `POST` to [`placing::PATH`], without the router.
    desk: Arc<placing::PlaceOrder>,
}

/// The routes over the rooms.
pub fn api(rooms: Deps) -> Api {
    let desk = Arc::new(placing::PlaceOrder {
        admission: Arc::clone(&rooms.admission),
        job_ids: Arc::clone(&rooms.job_ids),
        token: rooms.token,
        metrics: Arc::clone(&rooms.metrics),
    });
    let cursors = Arc::new(Cursors::new(*rooms.store.secret()));
    // Full paths instead of a nested router, which would write every request's address anew.
    let routes = root_routes().into_iter().map(|route| (route.path.to_owned(), route));
    let api = api_routes().into_iter().map(|route| (format!("{BASE}{}", route.path), route));
    let token = rooms.token;
    let lists = Arc::new(ProductLists::new(Arc::clone(&rooms.inventory)));
    let shared = SharedRooms { rooms, desk: Arc::clone(&desk), cursors, lists, backup_turn: backup::Turn::new() };
    let router = routes
        .chain(api)
        .fold(Router::new(), |router: Router<Shared>, (path, route)| {
            let handler = if route.reads_query { route.handler } else { query::without_query(route.handler) };
            let handler = match route.access {
                Access::Public => handler,
                Access::Operator => access::guard(handler, &token),
            };
            router.route(&path, handler)
        })
        // Not of the table: they are ways to a route of it.
        .route("/", query::without_query(routing::get(docs::way)))
        .route("/docs/", query::without_query(routing::get(docs::way)))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .with_state(Shared(Arc::new(shared)));
    Api { router, desk }
}

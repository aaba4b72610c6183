//! One of those that are compared: its process, its orders, and how many of them were acknowledged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flashsale::limits::MAX_STOCK;

use crate::driver::load::{self, Keys, Load, Orders, Trip};
use crate::driver::server::Server;
use crate::handlers::Kind;
use crate::report::{Check, Turn};
use crate::stores::{FEW, FEW_UNITS, HOT, Sold, Stores};

/// Connections that order what few units there are, for so long: each finds it sold out in the end.
const LAST_CONNECTIONS: u32 = 64;
const LAST_TIME: Duration = Duration::from_secs(1);

/// Where a peer keeps its orders.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Nowhere,
    /// The real server's own store.
    Own,
    Store(Kind),
}

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    server: Server,
    hot: Arc<Orders>,
    few: u64,
    acknowledged: u64,
}

impl Peer {
    pub(crate) async fn bare(dir: &Path) -> Self {
        Self::new("bare handler", Place::Nowhere, Server::bare(dir).await)
    }

    pub(crate) async fn ours(dir: &Path) -> Self {
        let server = Server::real(dir).await;
        let (hot, few) = (server.create_product(MAX_STOCK).await, server.create_product(FEW_UNITS).await);
        Self { hot: Orders::of(hot), few, ..Self::new("flashsale", Place::Own, server) }
    }

    /// A handler over a store, with one connection to it for the time being.
    pub(crate) async fn over(kind: Kind, stores: &Stores, logs: &Path) -> Self {
        let name = match kind {
            Kind::Redis => "Redis",
            Kind::HotRow => "PostgreSQL, hot row",
            Kind::Units => "PostgreSQL, row a unit",
        };
        Self::new(name, Place::Store(kind), kind.start(&stores.path(kind), 1, logs).await)
    }

    fn new(name: &'static str, place: Place, server: Server) -> Self {
        Self { name, place, server, hot: Orders::of(HOT), few: FEW, acknowledged: 0 }
    }

    /// Starts the handler again, with so many connections to its store.
    pub(crate) async fn restart(&mut self, stores: &Stores, pool: usize, logs: &Path) {
        if let Place::Store(kind) = self.place {
            self.server = kind.start(&stores.path(kind), pool, logs).await;
        }
    }

    /// Orders for so long, each acknowledged.
    pub(crate) async fn turn(&mut self, stores: &Stores, connections: u32, time: Duration) -> Turn {
        let load = Load::accepted(&self.hot, Trip::Single, Keys::None);
        let mut open = load::connect(self.server.port, connections).await;
        let store_cpu = || match self.place {
            Place::Store(kind) => stores.cpu(kind),
            Place::Nowhere | Place::Own => Duration::ZERO,
        };
        let (handler, store) = (self.server.cpu(), store_cpu());
        let round = load::drive(&mut open, &load, time).await;
        if let Place::Own = self.place {
            self.server.drain().await;
        }
        let turn = Turn::new(&round, self.server.cpu() - handler, store_cpu() - store);
        self.acknowledged += turn.orders;
        turn
    }

    /// Sells out the product with few units, and compares what the store has with what was acknowledged. Nothing for a
    /// peer that keeps nothing.
    pub(crate) async fn check(&mut self, stores: &Stores) -> Option<Check> {
        let (few, sold) = match self.place {
            Place::Nowhere => return None,
            Place::Own => {
                let won = self.sell_out().await;
                self.server.drain().await;
                let metrics = self.server.settle(self.acknowledged + won).await;
                let orders = crate::driver::server::number(&metrics, "/confirmedOrders") - won;
                let units = MAX_STOCK - self.server.stock(self.hot.product()).await.current;
                (won, Sold { units, orders })
            }
            Place::Store(kind) => {
                let won = self.sell_out().await;
                let last = stores.sold(kind, FEW).await;
                assert!(last.orders == won && last.units == won, "{}: the last units do not add up", self.name);
                (won, stores.sold(kind, HOT).await)
            }
        };
        let Sold { units, orders } = sold;
        Some(Check { name: self.name, acknowledged: self.acknowledged, orders, units, last: (few, FEW_UNITS) })
    }

    /// Orders acknowledged of more buyers than there are units.
    async fn sell_out(&self) -> u64 {
        let load = Load::accepted(&Orders::of(self.few), Trip::Single, Keys::None);
        let won = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&won);
        let mut open = load::connect(self.server.port, LAST_CONNECTIONS).await;
        load::closed_loop(&mut open, &load, LAST_TIME, move |answer, _| {
            match answer.status {
                201 => _ = counted.fetch_add(1, Ordering::Relaxed),
                status => assert_eq!(status, 409, "neither acknowledged nor sold out"),
            }
            None
        })
        .await;
        won.load(Ordering::Relaxed)
    }
}

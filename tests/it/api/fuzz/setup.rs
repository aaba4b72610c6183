//! The servers of the fuzz, and which routes are whose by the contract.

use hyper::Method;

use crate::harness::{Endpoint, Launch, Operation, Server};

pub(super) const ADMIN: &str = "correct-horse-battery-staple";
pub(super) const SHOP: &str = "a-token-of-the-storefront";
/// The origin that `CORS_ORIGINS` allows, where it is set.
pub(super) const ALLOWED: &str = "https://shop.example";
/// Host and path of `PUBLIC_URL`, where it is set, and the origin of its pages.
pub(super) const PUBLIC_HOST: &str = "drops.example";
pub(super) const PUBLIC_ORIGIN: &str = "https://drops.example";
const PUBLIC_PATH: &str = "/flash";

/// What is set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Setup {
    pub(super) admin: bool,
    pub(super) storefront: bool,
    pub(super) cors: bool,
    pub(super) public: bool,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Public,
    /// Anyone, or those with the storefront token where one is set.
    Buyer,
    /// Operators, and those with the storefront token.
    Storefront,
    Operator,
}

const PUBLIC: [&str; 9] = [
    "/api/v1/inventory",
    "/api/v1/inventory/{id}",
    "/api/v1/monitoring/health",
    "/api/v1/orders/queue/{jobId}",
    "/docs",
    "/docs/{file}",
    "/livez",
    "/openapi.json",
    "/readyz",
];

impl Who {
    pub(super) fn of(operation: &Operation) -> Self {
        match (&operation.method, operation.path.as_str()) {
            (&Method::POST, "/api/v1/orders") => Self::Buyer,
            (&Method::POST, "/api/v1/orders/batch") => Self::Storefront,
            (&Method::GET, path) if PUBLIC.contains(&path) => Self::Public,
            _ => Self::Operator,
        }
    }

    /// Whether pages of `CORS_ORIGINS` may use it.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Public | Self::Buyer)
    }
}

impl Setup {
    /// A server with this set; what is confirmed there, the fulfilment service rejects, so that there are dead letters.
    pub(super) fn launch(self, fulfilment: &Endpoint) -> Launch {
        let values = [
            (self.admin, "ADMIN_TOKEN", ADMIN),
            (self.storefront, "STOREFRONT_TOKEN", SHOP),
            (self.cors, "CORS_ORIGINS", ALLOWED),
            (self.public, "PUBLIC_URL", "https://drops.example/flash"),
            (true, "FULFILLMENT_URL", &fulfilment.url()),
            (true, "FULFILLMENT_ALLOW_PRIVATE", "true"),
        ];
        let set = values.into_iter().filter(|(is_set, ..)| *is_set);
        set.fold(Server::with(), |launch, (_, name, value)| launch.env(name, value))
    }

    /// What paths in responses begin with.
    pub(super) const fn prefix(self) -> &'static str {
        if self.public { PUBLIC_PATH } else { "" }
    }
}

//! Prepares a running server for a load test: what earlier ones left is put away, the scenario's products are created,
//! the queue is empty, and the metrics begin anew.

use std::time::Duration;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Call, Calls, ClientError, Reply, jobs, pages_by};
use crate::limits::{MAX_PAGE, PREPARE_LOOK, PREPARE_TIMEOUT};
use crate::view::readiness::ANY_REQUESTS;

use super::scenario::{ProductPlan, Scenario};

/// What the SKU of a scenario's product begins with, as in `scenario-hyper-1`.
const SKU: &str = "scenario-";
/// The same of a product that was put away.
const PUT_AWAY: &str = "scenario-retired-";

/// Why a server was not prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The server cannot be asked, or rejected something.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing was changed.
    #[error("its queue is paused, and nothing was changed; resume it with `flashsale queue resume`")]
    Paused,
    /// The products are there; old jobs are not done.
    #[error("its queue still has {0} unfinished jobs after a minute; see `flashsale queue show`")]
    Busy(u64),
}

/// What was done to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    /// The scenario's name.
    pub scenario: String,
    /// The server's URL.
    pub server: String,
    /// The products that were created, in the scenario's order.
    pub products: Vec<MadeProduct>,
    /// What earlier load tests had left.
    pub put_away: PutAway,
    /// The evidence of the limits that the server sets, if it limits the requests of one IP address.
    pub limits: Option<String>,
}

/// A product that was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeProduct {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `scenario-<name>-<n>`, counted from 1: load tests find it by this.
    pub sku: String,
    /// Units.
    pub units: u64,
}

/// What became of the products of earlier load tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutAway {
    /// Products without an order, which were deleted.
    pub deleted: u64,
    /// Products with orders, which were taken out of the sale and hidden.
    pub hidden: u64,
    /// Open orders that were cancelled.
    pub cancelled: u64,
    /// Dead letters that were discarded.
    pub discarded: u64,
}

/// A server that was looked at, and not changed yet.
#[derive(Debug)]
pub struct Preparation<'c> {
    calls: &'c Calls,
    scenario: &'c Scenario,
    /// Products of earlier load tests that are not put away, or that have held units.
    old: Vec<u64>,
    /// The products that no load test made, in words, such as "product 7 (lamp)"; sample products are not among them.
    pub foreign: Vec<String>,
}

impl<'c> Preparation<'c> {
    /// Looks at a server. `is_sample` says by name, price and initial units whether a product is one of the samples.
    pub fn look(
        calls: &'c Calls,
        scenario: &'c Scenario,
        is_sample: impl Fn(&str, &str, u64) -> bool,
    ) -> Result<Self, PrepareError> {
        let mut this = Self { calls, scenario, old: Vec::new(), foreign: Vec::new() };
        for product in this.value(&Call::get("/inventory"))?.as_array().ok_or(ClientError::NotTheApi)? {
            let text = |member: &str| product[member].as_str().unwrap_or_default();
            let (id, name) = (number(product, "id")?, text("name"));
            match product["sku"].as_str() {
                Some(sku) if sku.starts_with(PUT_AWAY) && product["heldStock"] == 0 => {}
                Some(sku) if sku.starts_with(SKU) => this.old.push(id),
                None if is_sample(name, text("price"), number(product, "initialStock")?) => {}
                _ => this.foreign.push(format!("product {id} ({name})")),
            }
        }
        if this.value(&Call::get("/queue"))?["paused"] == true { Err(PrepareError::Paused) } else { Ok(this) }
    }

    /// Puts away what is old, creates the products, waits until the queue is empty, and resets the metrics. Products
    /// that no load test made stay as they are.
    pub fn run(self) -> Result<Prepared, PrepareError> {
        let mut put_away = PutAway::default();
        for &id in &self.old {
            self.put_away(id, &mut put_away)?;
        }
        let plans = (1..).zip(&self.scenario.products);
        let products = plans.map(|(n, plan)| self.create(n, plan)).collect::<Result<_, _>>()?;
        self.wait_for_queue()?;
        self.call(&Call::post("/monitoring/metrics/reset"))?;
        Ok(Prepared {
            scenario: self.scenario.name.clone(),
            server: self.calls.server().to_owned(),
            products,
            put_away,
            limits: self.limits()?,
        })
    }

    /// Orders cannot be deleted, so a product that has some is hidden. It leaves the sale first: no order comes behind
    /// those that are cancelled.
    fn put_away(&self, id: u64, done: &mut PutAway) -> Result<(), PrepareError> {
        let path = format!("/inventory/{id}");
        let hidden = json!({ "flashSaleActive": false, "hidden": true, "sku": format!("{PUT_AWAY}{id}") });
        self.call(&Call::put(&path).json(&hidden))?;
        let pending = Call::get("/orders").query([
            ("status", Some("pending".to_owned())),
            ("productId", Some(id.to_string())),
            ("limit", Some(MAX_PAGE.to_string())),
        ]);
        for page in pages_by(pending, |call| self.call(call)) {
            let page: Value = parsed(&page?)?;
            for order in page.as_array().into_iter().flatten() {
                let cancelled = self.call(&Call::post(&format!("/orders/{}/cancel", number(order, "id")?)));
                // One that has failed meanwhile holds nothing any more.
                done.cancelled += u64::from(unless(StatusCode::CONFLICT, cancelled)?);
            }
        }
        let letters = Call::delete("/queue/dead-letter").query([("productId", Some(id.to_string()))]);
        done.discarded += number(&self.value(&letters)?, "done")?;
        match unless(StatusCode::CONFLICT, self.call(&Call::delete(&path)))? {
            true => done.deleted += 1,
            false => done.hidden += 1,
        }
        Ok(())
    }

    fn create(&self, n: u64, plan: &ProductPlan) -> Result<MadeProduct, PrepareError> {
        let ProductPlan { name, stock, price, per_user_limit, hold_seconds } = plan;
        let sku = format!("{SKU}{}-{n}", self.scenario.name);
        let made = self.value(&Call::post("/inventory").json(&json!({
            "name": name,
            "sku": sku,
            "price": price,
            "initialStock": stock,
            "perUserLimit": per_user_limit,
            "holdSeconds": hold_seconds,
            "flashSaleActive": true,
        })))?;
        Ok(MadeProduct { id: number(&made, "id")?, name: name.clone(), sku, units: *stock })
    }

    /// Holds wait longer, and are not in the way.
    fn wait_for_queue(&self) -> Result<(), PrepareError> {
        let mut waited = Duration::ZERO;
        loop {
            let queue = self.value(&Call::get("/queue"))?;
            match jobs(&queue, &["waiting", "prioritized", "active"]) {
                0 => return Ok(()),
                jobs if waited >= PREPARE_TIMEOUT => return Err(PrepareError::Busy(jobs)),
                _ => self.calls.pause(PREPARE_LOOK),
            }
            waited += PREPARE_LOOK;
        }
    }

    /// What readiness says of the limits, if there is one for an IP address.
    fn limits(&self) -> Result<Option<String>, PrepareError> {
        let readiness = self.value(&Call::get("/monitoring/readiness"))?;
        let mut checks = readiness["checks"].as_array().into_iter().flatten();
        let evidence = checks.find(|check| check["name"] == "rate_limits").and_then(|it| it["evidence"].as_str());
        Ok(evidence.filter(|text| !text.contains(ANY_REQUESTS)).map(str::to_owned))
    }

    /// Sends a request, again and again while the server asks for patience.
    fn call(&self, call: &Call) -> Result<Reply, ClientError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.calls.call(call) {
                Err(ClientError::Rejected { status, .. })
                    if waited < PREPARE_TIMEOUT
                        && [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) =>
                {
                    self.calls.pause(PREPARE_LOOK);
                    waited += PREPARE_LOOK;
                }
                reply => return reply,
            }
        }
    }

    fn value(&self, call: &Call) -> Result<Value, ClientError> {
        parsed(&self.call(call)?)
    }
}

fn parsed(reply: &Reply) -> Result<Value, ClientError> {
    serde_json::from_slice(&reply.body).map_err(|_| ClientError::NotTheApi)
}

fn number(value: &Value, member: &str) -> Result<u64, ClientError> {
    value[member].as_u64().ok_or(ClientError::NotTheApi)
}

/// Whether something was done; false if the server rejected it with this status.
fn unless(status: StatusCode, reply: Result<Reply, ClientError>) -> Result<bool, ClientError> {
    match reply {
        Err(ClientError::Rejected { status: given, .. }) if given == status => Ok(false),
        other => other.map(|_| true),
    }
}

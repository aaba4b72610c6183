//! Does the store add up? Everything is recomputed from the orders and compared; the history's chain is walked.

use crate::order::OrderStatus;

use super::{Snapshot, Store, StoreError, Totals, tally};

/// The most problems that are listed.
const MAX_PROBLEMS: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Records of the history that were read.
    pub records: u64,
    /// Orders that were read.
    pub orders: u64,
    /// Products that were read.
    pub products: u64,
    /// What is wrong, one sentence each; at most a hundred.
    pub problems: Vec<String>,
}

impl Findings {
    fn wrong(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

impl Store {
    /// Checks the whole store as last committed. Memory is bounded by the products and the pending orders.
    pub fn verify(&self) -> Result<Findings, StoreError> {
        let snapshot = self.snapshot()?;
        let mut findings = Findings::default();
        check_products(&snapshot, &mut findings)?;
        check_orders(&snapshot, &mut findings)?;
        check_chain(&snapshot, &mut findings)?;
        Ok(findings)
    }
}

fn check_products(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), StoreError> {
    let mut tallies = tally::by_product(snapshot)?;
    for product in snapshot.products()? {
        findings.products += 1;
        let tally = tallies.remove(&product.id).unwrap_or_default();
        if !product.stock.is_conserved() {
            findings.wrong(format!("the stock of product {} does not add up: {:?}", product.id, product.stock));
        }
        if !tally.agrees_with(&product) {
            let stock = product.stock;
            findings.wrong(format!(
                "product {} counts {} orders, {} held and {} sold; its orders say {}, {} and {}",
                product.id, product.orders, stock.held, stock.sold, tally.orders, tally.held, tally.sold
            ));
        }
    }
    for product in tallies.keys() {
        findings.wrong(format!("there are orders for product {product}, which does not exist"));
    }
    Ok(())
}

fn check_orders(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), StoreError> {
    let head = snapshot.head()?;
    let mut totals = Totals::default();
    totals.dead_letters = head.totals.dead_letters;
    let mut oldest_open = None;
    snapshot.each_order(|order| {
        findings.orders += 1;
        totals.count(&order);
        if order.status == OrderStatus::Pending {
            oldest_open.get_or_insert(order.id.0);
        }
        if order.id.0 != findings.orders {
            findings.wrong(format!("order {} stands where order {} belongs", order.id, findings.orders));
        }
    })?;
    if totals != head.totals {
        findings.wrong(format!("the totals say {:?}; the orders say {totals:?}", head.totals));
    }
    if head.last_order != findings.orders {
        findings.wrong(format!("the last order is said to be {}, and there are {}", head.last_order, findings.orders));
    }
    if oldest_open.is_some_and(|oldest| oldest < head.oldest_open) {
        findings.wrong(format!("an order below {} is pending", head.oldest_open));
    }
    Ok(())
}

fn check_chain(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), StoreError> {
    let head = snapshot.head()?;
    let mut end = (0, [0; 32]);
    snapshot.each_record(|sequence, previous, hash| {
        findings.records += 1;
        if end.0 > 0 && sequence != end.0 + 1 {
            findings.wrong(format!("record {sequence} of the history follows record {}", end.0));
        }
        if previous != Some(end.1) && end.0 > 0 {
            findings.wrong(format!("record {sequence} of the history does not follow from the one before it"));
        }
        if end.0 == 0 && (sequence != 1 || previous != Some([0; 32])) {
            findings.wrong(format!("the history starts with record {sequence}, and the one before it is gone"));
        }
        end = (sequence, hash);
    })?;
    if end != (head.sequence, head.hash) {
        findings.wrong(format!("the history ends with record {}; record {} belongs there", end.0, head.sequence));
    }
    Ok(())
}

//! The operations on products and their stock.

use axum::routing::MethodFilter;

use crate::domain::refusal::Refusal;
use crate::limits::MAX_BODY_BYTES;

use super::super::Access::{Operator, Public};
use super::operation::{Described, api};
use super::schema::{id, list, named};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;

/// All of them.
pub(super) fn operations() -> Vec<Described> {
    let operations = vec![
        api(Public, GET, "/inventory", "listProducts", "List the products, newest first")
            .answers("The products.", list(named("Product"))),
        api(Operator, POST, "/inventory", "createProduct", "Create a product")
            .body("NewProduct", MAX_BODY_BYTES)
            .creates("The product.", named("Product"), &[])
            .leads_to(&["getProduct", "updateProduct", "deleteProduct", "restockProduct", "readLedger"], "id", "id")
            .writes(),
        of_one(api(Public, GET, "/inventory/{id}", "getProduct", "Read a product"))
            .answers("The product.", named("Product")),
        of_one(api(Operator, MethodFilter::PUT, "/inventory/{id}", "updateProduct", "Change a product"))
            .about(
                "Any subset of the fields. `currentStock` sets what can be bought now; the difference is booked as an \
                 adjustment.",
            )
            .body("ProductChanges", MAX_BODY_BYTES)
            .answers("The product.", named("Product"))
            .refuses(|refusal| matches!(refusal, Refusal::SoldOut))
            .writes(),
        of_one(api(Operator, MethodFilter::DELETE, "/inventory/{id}", "deleteProduct", "Delete a product"))
            .answers_nothing("The product is deleted.")
            .refuses(|refusal| matches!(refusal, Refusal::ProductHasOrders))
            .writes(),
        of_one(api(Operator, POST, "/inventory/{id}/restock", "restockProduct", "Add units, or take them away"))
            .body("Restock", MAX_BODY_BYTES)
            .answers("The product.", named("Product"))
            .refuses(|refusal| matches!(refusal, Refusal::SoldOut))
            .writes(),
        of_one(api(Operator, GET, "/inventory/{id}/ledger", "readLedger", "Read every change of a product's stock"))
            .about("Newest first.")
            .answers_page("A page of the ledger.", "LedgerEntry")
            .scans(),
        api(Operator, GET, "/inventory/metrics", "getStockMetrics", "Add up the stock")
            .answers("The totals.", named("StockMetrics")),
        api(Operator, GET, "/inventory/audit", "auditStock", "Check that the stock adds up")
            .about("Recomputes every product's counts from its orders, on one snapshot.")
            .answers("The verdict, and each product's counts.", named("Audit"))
            .scans(),
    ];
    operations.into_iter().map(|operation| operation.tag("inventory")).collect()
}

fn of_one(operation: Described) -> Described {
    operation.part("id", "The product.", id()).refuses(|refusal| matches!(refusal, Refusal::ProductNotFound))
}

//! Writing rows. What the database rejects is found by halves and put aside, so that one row keeps up no other.

use std::collections::BTreeSet;

use tokio_postgres::{Client, Statement};

use crate::domain::job_id::JobIds;
use crate::domain::order::Order;
use crate::domain::product::{Product, ProductId};
use crate::limits::MAX_ERROR_CHARS;
use crate::mirror::causes::with_causes;
use crate::mirror::position::Position;
use crate::mirror::target::Fault;

use super::columns::{self, Columns};

/// Products, put in as they are.
pub(super) const PUT_PRODUCTS: &str = "
    INSERT INTO products (
        id, name, sku, price, flash_sale_active, hidden, per_user_limit, sale_starts_at, sale_ends_at, hold_seconds,
        initial_stock, adjusted_stock, current_stock, held_stock, sold_stock, created_at, updated_at)
    SELECT id, name, sku, cents / 100.0, active, hidden, per_user, starts, ends, hold,
        initial, adjusted, current, held, sold, created, updated
    FROM unnest(
        $1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::boolean[], $7::bigint[],
        $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
        $14::bigint[], $15::bigint[], $16::timestamptz[], $17::timestamptz[])
        AS row (id, name, sku, cents, active, hidden, per_user, starts, ends, hold,
            initial, adjusted, current, held, sold, created, updated)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, sku = excluded.sku, price = excluded.price,
        flash_sale_active = excluded.flash_sale_active, hidden = excluded.hidden,
        per_user_limit = excluded.per_user_limit, sale_starts_at = excluded.sale_starts_at,
        sale_ends_at = excluded.sale_ends_at, hold_seconds = excluded.hold_seconds,
        initial_stock = excluded.initial_stock, adjusted_stock = excluded.adjusted_stock,
        current_stock = excluded.current_stock, held_stock = excluded.held_stock, sold_stock = excluded.sold_stock,
        created_at = excluded.created_at, updated_at = excluded.updated_at";

/// Orders, put in as they are. The shop's own columns of an order change with none of its moves.
pub(super) const PUT_ORDERS: &str = "
    INSERT INTO orders (
        id, job_id, user_id, product_id, quantity, unit_price, status, priority, reference, metadata, attempts,
        failure_reason, reserved_at, expires_at, created_at, updated_at)
    SELECT id, job, buyer, product, quantity, cents / 100.0, status, priority, reference, metadata::jsonb, attempts,
        failure, reserved, expires, created, updated
    FROM unnest(
        $1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::bigint[], $12::text[], $13::timestamptz[], $14::timestamptz[],
        $15::timestamptz[], $16::timestamptz[])
        AS row (id, job, buyer, product, quantity, cents, status, priority, reference, metadata, attempts,
            failure, reserved, expires, created, updated)
    ON CONFLICT (id) DO UPDATE SET
        job_id = excluded.job_id, user_id = excluded.user_id, product_id = excluded.product_id,
        quantity = excluded.quantity, unit_price = excluded.unit_price, status = excluded.status,
        priority = excluded.priority, reference = excluded.reference, metadata = excluded.metadata,
        attempts = excluded.attempts, failure_reason = excluded.failure_reason, reserved_at = excluded.reserved_at,
        expires_at = excluded.expires_at, created_at = excluded.created_at, updated_at = excluded.updated_at";

/// A row of one of the two tables.
pub(super) trait Row: Sized {
    /// Its word in the table of rejected rows.
    const KIND: &'static str;
    /// Its number.
    fn id(&self) -> i64;
    /// The columns of rows.
    fn columns(rows: &[&Self], job_ids: &JobIds) -> Columns;
    /// The statement that puts them.
    fn statement(writer: &Writer) -> &Statement;
}

impl Row for Product {
    const KIND: &'static str = "product";

    fn id(&self) -> i64 {
        self.id.0.cast_signed()
    }

    fn columns(rows: &[&Self], _: &JobIds) -> Columns {
        columns::products(rows)
    }

    fn statement(writer: &Writer) -> &Statement {
        &writer.put_products
    }
}

impl Row for Order {
    const KIND: &'static str = "order";

    fn id(&self) -> i64 {
        self.id.0.cast_signed()
    }

    fn columns(rows: &[&Self], job_ids: &JobIds) -> Columns {
        columns::orders(rows, job_ids)
    }

    fn statement(writer: &Writer) -> &Statement {
        &writer.put_orders
    }
}

/// The statements of a connection, prepared.
#[derive(Debug)]
pub(super) struct Writer {
    put_products: Statement,
    put_orders: Statement,
    delete_product: Statement,
    put_position: Statement,
    reject: Statement,
    accept: Statement,
    /// Whether the table of rejected rows may have some.
    pub(super) has_rejected: bool,
}

impl Writer {
    /// Prepares the statements.
    pub(super) async fn new(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let reject = "INSERT INTO mirror_rejected (kind, id, error, rejected_at) VALUES ($1, $2, $3, now())
            ON CONFLICT (kind, id) DO UPDATE SET error = excluded.error, rejected_at = excluded.rejected_at
            RETURNING xmax = 0";
        let put_position = "INSERT INTO mirror_position (history, sequence, updated_at) VALUES ($1, $2, now())
            ON CONFLICT (is_the_only_row) DO UPDATE SET
            history = excluded.history, sequence = excluded.sequence, updated_at = excluded.updated_at";
        let rejected = client.query_one("SELECT EXISTS (SELECT FROM mirror_rejected)", &[]).await?;
        Ok(Self {
            put_products: client.prepare(PUT_PRODUCTS).await?,
            put_orders: client.prepare(PUT_ORDERS).await?,
            delete_product: client.prepare("DELETE FROM products WHERE id = $1").await?,
            put_position: client.prepare(put_position).await?,
            reject: client.prepare(reject).await?,
            accept: client.prepare("DELETE FROM mirror_rejected WHERE kind = $1 AND id = ANY($2)").await?,
            has_rejected: rejected.get(0),
        })
    }

    /// Puts rows within a transaction. Gives how many were rejected.
    pub(super) async fn put<R: Row>(&mut self, client: &Client, rows: &[R], job_ids: &JobIds) -> Result<u64, Fault> {
        let all: Vec<&R> = rows.iter().collect();
        let had_rejected = self.has_rejected;
        let mut rejected = BTreeSet::new();
        // What is left to write, the next part last.
        let mut left: Vec<&[&R]> = if all.is_empty() { Vec::new() } else { vec![&all] };
        while let Some(part) = left.pop() {
            let Err(error) = self.put_part(client, part, job_ids).await? else { continue };
            match part {
                [row] => {
                    self.put_aside(client, R::KIND, row.id(), &error).await?;
                    rejected.insert(row.id());
                }
                _ => {
                    let (first, second) = part.split_at(part.len() / 2);
                    left.extend([second, first]);
                }
            }
        }
        if had_rejected {
            let taken: Vec<i64> = rows.iter().map(Row::id).filter(|id| !rejected.contains(id)).collect();
            self.take_back(client, R::KIND, &taken).await?;
        }
        Ok(rejected.len() as u64)
    }

    /// Takes rows out of those that were rejected.
    async fn take_back(&self, client: &Client, kind: &'static str, ids: &[i64]) -> Result<(), Fault> {
        client.execute(&self.accept, &[&kind, &ids]).await.map(drop).map_err(away)
    }

    /// Puts rows, all or none. The inner error is what the database has against them.
    async fn put_part<R: Row>(
        &self,
        client: &Client,
        rows: &[&R],
        job_ids: &JobIds,
    ) -> Result<Result<(), String>, Fault> {
        client.batch_execute("SAVEPOINT part").await.map_err(away)?;
        let columns = R::columns(rows, job_ids);
        match client.execute_raw(R::statement(self), columns.parameters()).await {
            Ok(_) => {
                client.batch_execute("RELEASE SAVEPOINT part").await.map_err(away)?;
                Ok(Ok(()))
            }
            Err(error) if is_about_a_row(&error) => {
                client.batch_execute("ROLLBACK TO SAVEPOINT part").await.map_err(away)?;
                Ok(Err(with_causes(&error)))
            }
            Err(error) => Err(away(error)),
        }
    }

    async fn put_aside(&mut self, client: &Client, kind: &'static str, id: i64, error: &str) -> Result<(), Fault> {
        let error: String = error.chars().take(MAX_ERROR_CHARS).collect();
        self.has_rejected = true;
        let row = client.query_one(&self.reject, &[&kind, &id, &error]).await.map_err(away)?;
        // One that is tried again and again is said once.
        if row.get(0) {
            tracing::warn!(mirror = "postgres", kind, id, error, "the database rejected a row; it is tried again");
        }
        Ok(())
    }

    /// Deletes products within a transaction. One that tables of others refer to stays, and counts as rejected.
    pub(super) async fn delete(&mut self, client: &Client, products: &[ProductId]) -> Result<u64, Fault> {
        let mut rejected = 0;
        for product in products {
            let id = product.0.cast_signed();
            client.batch_execute("SAVEPOINT part").await.map_err(away)?;
            match client.execute(&self.delete_product, &[&id]).await {
                Ok(_) => {
                    client.batch_execute("RELEASE SAVEPOINT part").await.map_err(away)?;
                    // One that was never taken is not there to be deleted, and nothing is left to reject.
                    if self.has_rejected {
                        self.take_back(client, Product::KIND, &[id]).await?;
                    }
                }
                Err(error) if is_about_a_row(&error) => {
                    client.batch_execute("ROLLBACK TO SAVEPOINT part").await.map_err(away)?;
                    self.put_aside(client, Product::KIND, id, &with_causes(&error)).await?;
                    rejected += 1;
                }
                Err(error) => return Err(away(error)),
            }
        }
        Ok(rejected)
    }

    /// Keeps the position.
    pub(super) async fn keep(&self, client: &Client, position: Position) -> Result<(), Fault> {
        let (history, sequence) = (position.history.to_string(), position.sequence.cast_signed());
        client.execute(&self.put_position, &[&history, &sequence]).await.map(drop).map_err(away)
    }
}

/// Whether an error is about the values of a row, and would come again with every connection: data exceptions,
/// constraints, and limits of the program, by their classes (PostgreSQL's documentation, appendix A).
fn is_about_a_row(error: &tokio_postgres::Error) -> bool {
    let classes = ["22", "23", "44", "54"];
    error.code().is_some_and(|code| classes.contains(&&code.code()[..2]))
}

/// The database failed, or is not there.
pub(super) fn away(error: tokio_postgres::Error) -> Fault {
    Fault::Away(format!("PostgreSQL: {}", with_causes(&error)))
}

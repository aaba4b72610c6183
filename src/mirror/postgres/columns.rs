//! Rows as columns: a statement takes one array for each column, however many rows there are.

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::domain::clock::Timestamp;
use crate::domain::job_id::JobIds;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::product::Product;

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A moment as `timestamptz` has it.
#[derive(Clone, Copy, Debug)]
struct Moment(Timestamp);

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let micros = self.0.millis().saturating_mul(1_000).saturating_sub(EPOCH_MICROS);
        out.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(sql_type: &Type) -> bool {
        *sql_type == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

/// The columns of a statement, in its order.
pub(super) struct Columns(Vec<Box<dyn ToSql + Sync + Send>>);

impl Columns {
    /// The parameters of the statement.
    pub(super) fn parameters(&self) -> impl ExactSizeIterator<Item = &(dyn ToSql + Sync)> {
        self.0.iter().map(|column| &**column as &(dyn ToSql + Sync))
    }
}

/// A count as the database has it. All that the store has are below; a larger one is rejected there.
fn count(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

fn cents(money: Money) -> i64 {
    i64::try_from(money.cents()).unwrap_or(i64::MAX)
}

/// One column of rows.
fn column<R, T>(rows: &[&R], value: impl Fn(&R) -> T) -> Box<dyn ToSql + Sync + Send>
where
    T: ToSql + Sync + Send + 'static,
{
    Box::new(rows.iter().map(|row| value(row)).collect::<Vec<T>>())
}

/// The columns of [`PUT_PRODUCTS`](super::write::PUT_PRODUCTS).
pub(super) fn products(rows: &[&Product]) -> Columns {
    Columns(vec![
        column(rows, |row| count(row.id.0)),
        column(rows, |row| row.terms.name.clone()),
        column(rows, |row| row.terms.sku.clone()),
        column(rows, |row| cents(row.terms.price)),
        column(rows, |row| row.terms.flash_sale_active),
        column(rows, |row| row.terms.hidden),
        column(rows, |row| row.terms.per_user_limit.map(i64::from)),
        column(rows, |row| row.terms.sale_starts_at.map(Moment)),
        column(rows, |row| row.terms.sale_ends_at.map(Moment)),
        column(rows, |row| row.terms.hold_seconds.map(i64::from)),
        column(rows, |row| count(row.stock.initial)),
        column(rows, |row| row.stock.adjusted),
        column(rows, |row| count(row.stock.current)),
        column(rows, |row| count(row.stock.held)),
        column(rows, |row| count(row.stock.sold)),
        column(rows, |row| Moment(row.created_at)),
        column(rows, |row| Moment(row.updated_at)),
    ])
}

/// The columns of [`PUT_ORDERS`](super::write::PUT_ORDERS).
pub(super) fn orders(rows: &[&Order], job_ids: &JobIds) -> Columns {
    let metadata = |row: &Order| row.metadata().and_then(|pairs| serde_json::to_string(pairs.pairs()).ok());
    Columns(vec![
        column(rows, |row| count(row.id.0)),
        column(rows, |row| job_ids.job_id(row.id)),
        column(rows, |row| row.user.as_str().to_owned()),
        column(rows, |row| count(row.product.0)),
        column(rows, |row| i64::from(row.quantity)),
        column(rows, |row| cents(row.unit_price)),
        column(rows, |row| row.status.as_str()),
        column(rows, |row| row.priority.as_str()),
        column(rows, |row| row.reference().map(str::to_owned)),
        column(rows, metadata),
        column(rows, |row| i64::from(row.attempts)),
        column(rows, |row| row.failure.as_ref().map(ToString::to_string)),
        column(rows, |row| Moment(row.reserved_at)),
        column(rows, |row| row.expires_at.map(Moment)),
        column(rows, |row| Moment(row.created_at)),
        column(rows, |row| Moment(row.updated_at)),
    ])
}

//! The receipt of an accepted order. The documents that are made as often as there are orders are written by hand, at
//! a fifth of what a serializer costs.

use crate::admission::Accepted;
use crate::committer::Receipt;
use crate::domain::digits::push_decimal;
use crate::domain::job_id::JobIds;

/// Bytes of a receipt, roughly: reserved at once.
pub(super) const TYPICAL_BYTES: usize = 192;

/// The response to one order.
pub(super) fn document(accepted: &Accepted, job_ids: &JobIds) -> String {
    let mut text = String::with_capacity(TYPICAL_BYTES);
    text.push('{');
    push_fields(&mut text, &accepted.receipt, "status", job_ids);
    text
}

/// Appends the result of one order in a batch, where `status` is the HTTP status.
pub(super) fn push_entry(text: &mut String, accepted: &Accepted, job_ids: &JobIds) {
    text.push_str("{\"status\":201,");
    if accepted.replayed {
        text.push_str("\"idempotencyReplayed\":true,");
    }
    push_fields(text, &accepted.receipt, "orderStatus", job_ids);
}

/// Appends the fields and the end of their object. `status` is what the field with the order's status is called.
fn push_fields(text: &mut String, receipt: &Receipt, status: &str, job_ids: &JobIds) {
    let Receipt { order, estimated_wait, expires_at, .. } = *receipt;
    text.push_str("\"jobId\":\"");
    job_ids.push(text, order);
    text.push_str("\",\"orderId\":");
    push_decimal(text, order.0);
    text.push_str(",\"");
    text.push_str(status);
    text.push_str("\":\"pending\",\"queuePosition\":");
    match receipt.position() {
        None => text.push_str("null"),
        Some(position) => push_decimal(text, position),
    }
    text.push_str(",\"estimatedWaitTime\":");
    push_decimal(text, estimated_wait);
    text.push_str(",\"expiresAt\":");
    match expires_at {
        None => text.push_str("null}"),
        Some(at) => {
            text.push('"');
            text.push_str(&at.to_string());
            text.push_str("\"}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, to_value};

    use crate::domain::clock::Timestamp;
    use crate::domain::order::OrderId;
    use crate::view::receipt::{BatchPlacedView, ReceiptView};

    use super::*;

    #[test]
    fn receipts_written_by_hand_are_the_documents_that_are_described() {
        let job_ids = JobIds::new([7; 32]);
        for (order, expires_at) in [(1, None), (10, Some(Timestamp::from_millis(5))), (u64::MAX, None)] {
            let queue_position = if expires_at.is_some() { 0 } else { order };
            let receipt = Receipt { order: OrderId(order), queue_position, estimated_wait: 90, expires_at };
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let single = to_value(ReceiptView::of(receipt, &job_ids)).unwrap();
            assert_eq!(read(&document(&Accepted { receipt, replayed: false }, &job_ids)), single);
            for replayed in [false, true] {
                let entry = to_value(BatchPlacedView::of(receipt, replayed, &job_ids)).unwrap();
                let mut text = String::new();
                push_entry(&mut text, &Accepted { receipt, replayed }, &job_ids);
                assert_eq!(read(&text), entry);
            }
        }
    }
}

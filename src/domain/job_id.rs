//! The number of a job as a buyer sees it: cannot be guessed, and needs no table.

use crate::domain::digits::push_hex;
use crate::domain::order::OrderId;

/// Makes and reads job numbers. A job number is the order's number and a keyed BLAKE3 hash of it, cut to 128 bits:
/// who has not been given one cannot make one without the store's secret.
#[derive(Clone, Debug)]
pub struct JobIds {
    secret: [u8; 32],
}

/// Bytes of the hash that a job number has.
const TAG_BYTES: usize = 16;

impl JobIds {
    /// Job numbers under a secret of the store.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The job number of an order.
    pub fn job_id(&self, order: OrderId) -> String {
        let mut id = String::with_capacity(16 + 1 + 2 * TAG_BYTES);
        self.push(&mut id, order);
        id
    }

    /// Appends the job number of an order.
    pub fn push(&self, text: &mut String, order: OrderId) {
        let tag = blake3::keyed_hash(&self.secret, &order.0.to_le_bytes());
        push_hex(text, order.0, 1);
        text.push('-');
        for eight in tag.as_bytes()[..TAG_BYTES].as_chunks::<8>().0 {
            push_hex(text, u64::from_be_bytes(*eight), 16);
        }
    }

    /// The order of a job number, if it is one of ours.
    pub fn order(&self, job_id: &str) -> Option<OrderId> {
        let (number, _) = job_id.split_once('-')?;
        let order = OrderId(u64::from_str_radix(number, 16).ok()?);
        // Hashes compare in constant time, so that responses do not reveal how many digits were right.
        let ours = blake3::hash(self.job_id(order).as_bytes());
        (blake3::hash(job_id.as_bytes()) == ours).then_some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_that_was_given_out_is_read_back() {
        let ids = JobIds::new([7; 32]);
        let given = ids.job_id(OrderId(42));
        assert_eq!(ids.order(&given), Some(OrderId(42)));
        let other_store = JobIds::new([8; 32]).job_id(OrderId(42));
        let other_order = given.replacen("2a", "2b", 1);
        for forged in ["", "42", "2a-", &given[..given.len() - 1], &other_store, &other_order, &given.to_uppercase()] {
            assert_eq!(ids.order(forged), None, "{forged}");
        }
    }
}

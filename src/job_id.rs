//! The number of a job as a buyer sees it: cannot be guessed, and needs no table.

use crate::order::OrderId;

/// Makes and reads job numbers. A job number is the order's number and a keyed BLAKE3 hash of it, cut to 128 bits:
/// who has not been given one cannot make one without the store's secret.
#[derive(Clone, Debug)]
pub struct JobIds {
    secret: [u8; 32],
}

/// Hexadecimal digits of the hash.
const TAG_DIGITS: usize = 32;

impl JobIds {
    /// Job numbers under a secret of the store.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The job number of an order.
    pub fn job_id(&self, order: OrderId) -> String {
        let tag = blake3::keyed_hash(&self.secret, &order.0.to_le_bytes()).to_hex();
        format!("{:x}-{}", order.0, &tag[..TAG_DIGITS])
    }

    /// The order of a job number, if it is one of ours.
    pub fn order(&self, job_id: &str) -> Option<OrderId> {
        let (number, _) = job_id.split_once('-')?;
        let order = OrderId(u64::from_str_radix(number, 16).ok()?);
        // Hashes compare in constant time, so that answers do not tell how many digits were right.
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

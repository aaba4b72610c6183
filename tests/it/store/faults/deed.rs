//! What an operator did, as clients and the history name it.

use flashsale::committer::OperatorMove;
use flashsale::domain::order::OrderId;
use flashsale::domain::product::ProductId;

/// Something an operator did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed {
    Moved(OrderId, &'static str),
    Restocked(ProductId, i64),
}

/// The word for a move.
pub(super) const fn word(to: OperatorMove) -> &'static str {
    match to {
        OperatorMove::Confirm => "confirmed",
        OperatorMove::Cancel => "cancelled",
        OperatorMove::Retry => "retried",
        OperatorMove::Forget => "forgotten",
    }
}

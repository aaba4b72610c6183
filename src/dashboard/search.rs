//! What the searches of the pages share: they are in the URL.

use crate::domain::product::ProductId;
use crate::limits::MAX_ID;

use super::visit::encoded;

/// A path with these names and values as its query; empty values are left out.
pub(super) fn url(path: &str, fields: &[(&str, &str)]) -> String {
    let set = fields.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = set.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The product of a field.
pub(super) fn product(text: &str) -> Result<ProductId, String> {
    let id = text.parse::<u64>().ok().filter(|id| (1..=MAX_ID).contains(id));
    id.map(ProductId).ok_or_else(|| "must be the number of a product".to_owned())
}

//! Where the figures of a rehearsal contradict each other. What can be added up is added up again.

use crate::domain::digits::grouped;
use crate::view::load_test::{CheckView, LoadTestView, LostView, ProductView};

/// The contradictions of a file, a sentence each.
pub(super) fn of(view: &LoadTestView) -> Vec<String> {
    let mut found = Vec::from_iter(verdict(view.held, &view.checks));
    let funnel = &view.funnel;
    found.extend(asked(funnel.asked, &funnel.lost, funnel.admitted));
    let ends = [funnel.repeated, funnel.cancelled, funnel.failed, funnel.pending, funnel.confirmed];
    found.extend(add("Admitted", funnel.admitted, sum(ends), "repeated, cancelled, failed, pending and confirmed"));
    found.extend(add("Asked", funnel.asked, sum(view.codes.iter().map(|code| code.count)), "the codes"));
    found.extend(products(&view.products));
    found
}

/// Where a verdict is not that of its checks.
pub(super) fn verdict(held: bool, checks: &[CheckView]) -> Option<String> {
    match (held, checks.iter().filter(|check| !check.holds).count()) {
        (true, 0) | (false, 1..) => None,
        (true, 1) => Some("The file says that all holds, but 1 check does not.".to_owned()),
        (true, broken) => Some(format!("The file says that all holds, but {broken} checks do not.")),
        (false, 0) => Some("The file says that not all holds, but each of its checks does.".to_owned()),
    }
}

/// Where the units of products do not add up.
pub(super) fn products(products: &[ProductView]) -> impl Iterator<Item = String> {
    products.iter().filter_map(product)
}

/// Where what was lost and what was admitted are not what was asked for.
pub(super) fn asked(asked: u64, lost: &[LostView], admitted: u64) -> Option<String> {
    let parts = lost.iter().map(|lost| lost.count).chain([admitted]);
    add("Asked", asked, sum(parts), "the losses and admitted")
}

fn add(what: &str, whole: u64, parts: u128, of: &str) -> Option<String> {
    let sentence = || format!("{what} is {}, but {of} add up to {}.", grouped(whole), many(parts));
    (u128::from(whole) != parts).then(sentence)
}

fn product(product: &ProductView) -> Option<String> {
    let parts = sum([product.sold, product.held, product.left]);
    if u128::from(product.stock) == parts {
        return None;
    }
    let by = u128::from(product.stock).abs_diff(parts);
    let (stock, parts) = (grouped(product.stock), many(parts));
    let what = format!("{} (product {}): sold, held and left", product.name, product.id);
    Some(format!("{what} add up to {parts}, not to its stock of {stock}: {} units are not accounted for.", many(by)))
}

fn sum(parts: impl IntoIterator<Item = u64>) -> u128 {
    parts.into_iter().map(u128::from).sum()
}

fn many(number: u128) -> String {
    u64::try_from(number).map_or_else(|_| number.to_string(), grouped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn figures_that_add_up_contradict_nothing() {
        assert_eq!(of(&fixture::rehearsal()), [""; 0]);
    }

    #[test]
    fn each_contradiction_is_found() {
        let found = |change: fn(&mut LoadTestView)| {
            let mut view = fixture::rehearsal();
            change(&mut view);
            of(&view).join(" ")
        };
        assert!(found(|view| view.held = true).starts_with("The file says that all holds, but 1"));
        assert!(found(|view| view.checks.retain(|check| check.holds)).starts_with("The file says that not all holds"));
        assert!(found(|view| view.funnel.confirmed -= 1).starts_with("Admitted is 623\u{202f}140, but repeated"));
        assert!(found(|view| view.funnel.lost[0].count = u64::MAX).contains("but the losses and admitted add up to"));
        assert!(found(|view| view.codes[0].count += 1).contains("but the codes add up to"));
        let oversold = found(|view| view.products[0].sold += 1);
        assert!(oversold.contains("not to its stock of 600\u{202f}000: 1 units"), "{oversold}");
    }
}

//! One product beside the list: its stock, the form of its terms, its last changes.

use std::sync::Arc;

use crate::committer::ProductPatch;
use crate::dashboard::text;
use crate::domain::clock::Timestamp;
use crate::domain::product::Product;
use crate::domain::product_tag::ProductTag;
use crate::http::FormBody;

use super::changes::ChangeLine;
use super::fields::{Key, Sent, read_changes, read_units};
use super::list::Standing;

/// A form as it was sent, or as it is shown first.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Form {
    pub(in crate::dashboard) fields: Vec<Sent>,
    /// Units to add or take away.
    pub(in crate::dashboard) units: String,
    /// The state of the product that it was made from.
    pub(in crate::dashboard) tag: String,
    /// Units that operators had added when it was made.
    pub(in crate::dashboard) adjusted: i64,
    /// What is wrong with the units.
    pub(in crate::dashboard) units_error: Option<String>,
    /// Units that could be taken away instead.
    pub(in crate::dashboard) units_instead: Option<i64>,
    /// What is wrong with the whole.
    pub(in crate::dashboard) problem: Option<String>,
    /// When it was changed elsewhere.
    pub(in crate::dashboard) moved_at: Option<Timestamp>,
}

/// What a form changes.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Changes {
    pub(in crate::dashboard) patch: ProductPatch,
    /// Each in a few words.
    pub(in crate::dashboard) lines: Vec<String>,
    /// Whether it is asked about while the sale runs.
    pub(in crate::dashboard) hurts: bool,
}

impl Form {
    /// The form of a product as it is.
    pub(in crate::dashboard) fn of(product: &Product) -> Self {
        let form = Self::new(Sent::of(&product.terms), String::new(), ProductTag::of(product).to_string());
        Self { adjusted: product.stock.adjusted, ..form }
    }

    /// The form as it was sent, with what its buttons decide: `keep` lets a field be as it was changed elsewhere, `put`
    /// puts the other value back, `instead` has other units.
    pub(in crate::dashboard) fn read(form: &FormBody) -> Self {
        let text = |name: &str| form.get(name).unwrap_or_default().trim().to_owned();
        let mut fields = Sent::read(form);
        for field in &mut fields {
            let chosen = |name: &str| form.get(name) == Some(field.key.word());
            if chosen("put")
                && let Some(other) = &field.other
            {
                field.value.clone_from(other);
            }
            if chosen("put") || chosen("keep") {
                field.other = None;
            }
        }
        let units = form.get("instead").map_or_else(|| text("units"), str::to_owned);
        let adjusted = text("adjusted").parse().unwrap_or(i64::MIN);
        Self { adjusted, ..Self::new(fields, units, text("tag")) }
    }

    fn new(fields: Vec<Sent>, units: String, tag: String) -> Self {
        let (units_error, units_instead, problem, moved_at) = (None, None, None, None);
        Self { fields, units, tag, adjusted: 0, units_error, units_instead, problem, moved_at }
    }

    /// What it changes; none where something is wrong, which it then says.
    pub(in crate::dashboard) fn changes(&mut self) -> Option<Changes> {
        let mut patch = ProductPatch::default();
        let mut is_right = read_changes(&mut self.fields, &mut patch);
        let mut lines: Vec<_> = self.fields.iter().filter(|field| field.is_changed()).map(Sent::line).collect();
        let mut hurts = self.fields.iter().any(|field| field.is_changed() && field.key.hurts());
        match read_units(&self.units) {
            Ok(units) => {
                patch.added = units;
                lines.extend(units.map(units_line));
                hurts |= units.is_some_and(|units| units < 0);
            }
            Err(error) => {
                self.units_error = Some(error);
                is_right = false;
            }
        }
        if !is_right {
            self.problem = Some("Not saved. See the marked fields; nothing was changed.".to_owned());
        }
        is_right.then_some(Changes { patch, lines, hurts })
    }

    /// Brings it up to a product that was changed elsewhere: what was changed there stays unless it is put back.
    /// Whether there is something to decide.
    pub(in crate::dashboard) fn rebase(&mut self, product: &Product) -> bool {
        // The same form may have added its units already.
        let mut is_open = self.has_other_stock(product) && read_units(&self.units) != Ok(None);
        for field in &mut self.fields {
            let now = field.key.text_of(&product.terms);
            if now != field.was && now != field.value {
                field.other = Some(std::mem::replace(&mut field.value, now.clone()));
                is_open = true;
            }
            field.was = now;
        }
        self.tag = ProductTag::of(product).to_string();
        self.adjusted = product.stock.adjusted;
        self.moved_at = Some(product.updated_at);
        is_open
    }

    /// Whether operators have added units since it was made, or taken some away.
    pub(in crate::dashboard) const fn has_other_stock(&self, product: &Product) -> bool {
        self.adjusted != product.stock.adjusted
    }

    /// The fields that wait for a decision.
    pub(in crate::dashboard) fn conflicts(&self) -> impl Iterator<Item = &Sent> {
        self.fields.iter().filter(|field| field.other.is_some())
    }

    /// The fields in their rows.
    pub(in crate::dashboard) fn rows(&self) -> [(&'static str, Vec<&Sent>); 4] {
        rows(&self.fields)
    }

    /// How many changes it has.
    pub(in crate::dashboard) fn count(&self) -> usize {
        self.fields.iter().filter(|field| field.is_changed()).count() + usize::from(!self.units.is_empty())
    }

    /// How many changes it has, in words.
    pub(in crate::dashboard) fn count_label(&self) -> String {
        text::counted(self.count() as u64, "change", "changes")
    }

    /// How many units could be taken away instead.
    pub(in crate::dashboard) fn instead_label(&self) -> String {
        text::whole(self.units_instead.unwrap_or_default().unsigned_abs())
    }

    /// When it was changed elsewhere, as a clock shows it.
    pub(in crate::dashboard) fn moved_clock(&self) -> String {
        self.moved_at.map_or_else(String::new, text::clock)
    }
}

/// Fields in their rows, each with its class.
pub(in crate::dashboard) fn rows(fields: &[Sent]) -> [(&'static str, Vec<&Sent>); 4] {
    let of = |keys: &[Key]| fields.iter().filter(|field| keys.contains(&field.key)).collect();
    [
        ("", of(&[Key::Name])),
        ("three", of(&[Key::Price, Key::Limit, Key::Hold])),
        ("two", of(&[Key::Starts, Key::Ends])),
        ("two", of(&[Key::Sku, Key::Hidden])),
    ]
}

fn units_line(units: i64) -> String {
    format!("Stock {}", text::signed(units))
}

/// One product beside the list.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct One {
    pub(in crate::dashboard) product: Arc<Product>,
    pub(in crate::dashboard) standing: Standing,
    pub(in crate::dashboard) word: String,
    pub(in crate::dashboard) form: Form,
    pub(in crate::dashboard) changes: Option<Vec<ChangeLine>>,
}

impl One {
    /// A product with a form.
    pub(in crate::dashboard) fn of(
        product: Arc<Product>,
        form: Form,
        changes: Option<Vec<ChangeLine>>,
        gone_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let standing = Standing::of(&product, now);
        let word = match gone_at {
            Some(at) if product.stock.current == 0 && standing == Standing::SoldOut => {
                format!("sold out at {}", text::moment(at, now))
            }
            _ => standing.word(now),
        };
        Self { product, standing, word, form, changes }
    }

    /// How many orders it has had.
    pub(in crate::dashboard) fn orders(&self) -> String {
        text::counted(self.product.orders, "order", "orders")
    }

    /// The parts of the equation of its stock.
    pub(in crate::dashboard) fn equation(&self) -> [(&'static str, String, &'static str); 5] {
        let stock = &self.product.stock;
        let sign = if stock.adjusted < 0 { "\u{2212}" } else { "" };
        [
            ("", text::whole(stock.initial), "at first"),
            ("+", format!("{sign}{}", text::whole(stock.adjusted.unsigned_abs())), "adjusted"),
            ("=", text::whole(stock.current), "left"),
            ("+", text::whole(stock.held), "held"),
            ("+", text::whole(stock.sold), "sold"),
        ]
    }

    /// The equation in words.
    pub(in crate::dashboard) fn equation_label(&self) -> String {
        let [initial, adjusted, left, held, sold] = self.equation().map(|(_, units, _)| units);
        format!("{initial} at first plus {adjusted} adjusted equals {left} left plus {held} held plus {sold} sold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Money;

    fn set(form: &mut Form, key: Key, value: &str) {
        form.fields.iter_mut().find(|field| field.key == key).unwrap().value = value.to_owned();
    }

    #[test]
    fn what_was_changed_elsewhere_stays_and_can_be_put_back() {
        let mut product = Product::example(1, 5);
        let mut form = Form::of(&product);
        set(&mut form, Key::Limit, "2");
        product.terms.price = Money::from_cents(500);
        assert!(form.rebase(&product));
        let conflicts: Vec<_> = form.conflicts().map(|field| (field.value.as_str(), field.other.as_deref())).collect();
        assert_eq!(conflicts, [("5.00", Some("9.99"))]);
        let changes = form.changes().unwrap();
        assert_eq!((changes.lines.as_slice(), changes.patch.price), (&["Limit none → 2".to_owned()][..], None));
    }

    #[test]
    fn a_change_elsewhere_of_what_the_form_does_not_touch_or_sets_alike_needs_no_decision() {
        let mut product = Product::example(1, 5);
        let mut form = Form::of(&product);
        set(&mut form, Key::Limit, "2");
        product.terms.per_user_limit = Some(2);
        assert!(!form.rebase(&product) && form.changes().unwrap().lines.is_empty());
        form.units = "+5".to_owned();
        assert!(!form.rebase(&product));
        product.stock.adjust(5).unwrap();
        assert!(form.rebase(&product), "units may have been added by this very form");
    }
}

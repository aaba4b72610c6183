//! The fields of a product's form: as text, as they were, and as what they change.

use crate::committer::ProductPatch;
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::names::{check_product_name, check_sku};
use crate::domain::product::Terms;
use crate::http::FormBody;
use crate::limits::{MAX_HOLD_SECONDS, MAX_PER_USER_LIMIT, MAX_STOCK};

/// A field of the terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Key {
    /// The name.
    Name,
    /// The price of one unit.
    Price,
    /// Units for one buyer.
    Limit,
    /// How long an order waits for its confirmation.
    Hold,
    /// From when it can be bought.
    Starts,
    /// Until when.
    Ends,
    /// The shop's own number.
    Sku,
    /// Whether it exists for operators only.
    Hidden,
}

impl Key {
    /// All of them, in the order of the form.
    pub(in crate::dashboard) const ALL: [Self; 8] =
        [Self::Name, Self::Price, Self::Limit, Self::Hold, Self::Starts, Self::Ends, Self::Sku, Self::Hidden];

    /// Its name in the form.
    pub(in crate::dashboard) const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Price => "price",
            Self::Limit => "limit",
            Self::Hold => "hold",
            Self::Starts => "starts",
            Self::Ends => "ends",
            Self::Sku => "sku",
            Self::Hidden => "hidden",
        }
    }

    /// Its label.
    pub(in crate::dashboard) const fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Price => "Price",
            Self::Limit => "Limit for one buyer",
            Self::Hold => "Hold, seconds",
            Self::Starts => "Sale starts, UTC",
            Self::Ends => "Sale ends, UTC",
            Self::Sku => "SKU",
            Self::Hidden => "Hidden from buyers",
        }
    }

    /// Its name in a sentence.
    pub(in crate::dashboard) const fn noun(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Price => "price",
            Self::Limit => "limit",
            Self::Hold => "hold",
            Self::Starts => "start",
            Self::Ends => "end",
            Self::Sku => "SKU",
            Self::Hidden => "visibility",
        }
    }

    /// What an empty field of it shows.
    pub(in crate::dashboard) const fn placeholder(self) -> &'static str {
        match self {
            Self::Name | Self::Price | Self::Hidden => "",
            Self::Limit | Self::Hold | Self::Sku => "none",
            Self::Starts | Self::Ends => "none, or 2026-11-27 12:00",
        }
    }

    /// Whether a change of it while the sale runs is asked about first.
    pub(in crate::dashboard) const fn hurts(self) -> bool {
        matches!(self, Self::Price | Self::Limit | Self::Starts | Self::Ends)
    }

    /// Its text in these terms.
    pub(in crate::dashboard) fn text_of(self, terms: &Terms) -> String {
        let number = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
        match self {
            Self::Name => terms.name.clone(),
            Self::Price => terms.price.to_string(),
            Self::Limit => number(terms.per_user_limit),
            Self::Hold => number(terms.hold_seconds),
            Self::Starts => time_text(terms.sale_starts_at),
            Self::Ends => time_text(terms.sale_ends_at),
            Self::Sku => terms.sku.clone().unwrap_or_default(),
            Self::Hidden => if terms.hidden { "yes" } else { "no" }.to_owned(),
        }
    }

    /// Reads its text into a patch. The error follows the field's noun.
    fn read(self, text: &str, patch: &mut ProductPatch) -> Result<(), String> {
        let count = |most: u32| whole_or_none(text, most);
        match self {
            Self::Name => {
                check_product_name(text).map_err(str::to_owned)?;
                patch.name = Some(text.to_owned());
            }
            Self::Price => {
                patch.price = Some(compact(text).parse::<Money>().map_err(|error| error.to_string())?);
            }
            Self::Limit => patch.per_user_limit = Some(count(MAX_PER_USER_LIMIT)?),
            Self::Hold => patch.hold_seconds = Some(count(MAX_HOLD_SECONDS)?),
            Self::Starts => patch.sale_starts_at = Some(moment_or_none(text)?),
            Self::Ends => patch.sale_ends_at = Some(moment_or_none(text)?),
            Self::Sku if text.is_empty() => patch.sku = Some(None),
            Self::Sku => {
                check_sku(text).map_err(str::to_owned)?;
                patch.sku = Some(Some(text.to_owned()));
            }
            Self::Hidden => {
                patch.hidden = Some(match text {
                    "yes" => true,
                    "no" | "" => false,
                    _ => return Err("must be yes or no".to_owned()),
                });
            }
        }
        Ok(())
    }
}

/// A field as a form sends it.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Sent {
    pub(in crate::dashboard) key: Key,
    /// As it is now in the form.
    pub(in crate::dashboard) value: String,
    /// As the product had it when the form was made.
    pub(in crate::dashboard) was: String,
    /// What can be put back, where it was changed elsewhere.
    pub(in crate::dashboard) other: Option<String>,
    /// What is wrong with it.
    pub(in crate::dashboard) error: Option<String>,
}

impl Sent {
    /// The fields of these terms, unchanged.
    pub(in crate::dashboard) fn of(terms: &Terms) -> Vec<Self> {
        let field = |key: Key| {
            let value = key.text_of(terms);
            Self { key, was: value.clone(), value, other: None, error: None }
        };
        Key::ALL.into_iter().map(field).collect()
    }

    /// The fields of a form for a new product. What a browser shows must be what it was: a list always has a value.
    pub(in crate::dashboard) fn empty() -> Vec<Self> {
        let field = |key: Key| {
            let value = if key == Key::Hidden { "no" } else { "" }.to_owned();
            Self { key, was: value.clone(), value, other: None, error: None }
        };
        Key::ALL.into_iter().map(field).collect()
    }

    /// The fields as a form has them.
    pub(in crate::dashboard) fn read(form: &FormBody) -> Vec<Self> {
        let get = |name: String| form.get(&name).map(str::to_owned);
        let field = |key: Key| {
            let (word, was) = (key.word(), get(format!("was_{}", key.word())).unwrap_or_default());
            let value = get(word.to_owned()).map_or_else(|| was.clone(), |value| value.trim().to_owned());
            Self { key, value, was, other: get(format!("other_{word}")), error: None }
        };
        Key::ALL.into_iter().map(field).collect()
    }

    /// Whether it says something else than the product had.
    pub(in crate::dashboard) fn is_changed(&self) -> bool {
        self.value != self.was
    }

    /// Its value, or a word for none.
    pub(in crate::dashboard) fn shown(&self) -> &str {
        shown(&self.value)
    }

    /// What it was, or a word for none.
    pub(in crate::dashboard) fn was_shown(&self) -> &str {
        shown(&self.was)
    }

    /// What can be put back, or a word for none.
    pub(in crate::dashboard) fn other_shown(&self) -> &str {
        shown(self.other.as_deref().unwrap_or_default())
    }

    /// What it changes, such as `Limit 1 → 2`.
    pub(in crate::dashboard) fn line(&self) -> String {
        let noun = self.key.noun();
        let upper = noun[..1].to_uppercase() + &noun[1..];
        format!("{upper} {} → {}", self.was_shown(), self.shown())
    }
}

/// A value, or a word for none.
pub(in crate::dashboard) fn shown(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

/// Reads the changed fields into a patch, notes what is wrong with them, and brings their texts into the usual form.
pub(in crate::dashboard) fn read_changes(fields: &mut [Sent], patch: &mut ProductPatch) -> bool {
    let mut is_right = true;
    for field in fields.iter_mut().filter(|field| field.is_changed()) {
        let mut read = ProductPatch::default();
        match field.key.read(&field.value, &mut read) {
            Ok(()) => {
                // In the usual form.
                field.value = field.key.text_of(&read.terms());
                if field.is_changed() {
                    merge(patch, read);
                }
            }
            Err(error) => {
                let noun = field.key.noun();
                field.error = Some(format!("The {noun} {error}."));
                is_right = false;
            }
        }
    }
    is_right
}

fn merge(patch: &mut ProductPatch, read: ProductPatch) {
    let ProductPatch { name, sku, price, hidden, per_user_limit, sale_starts_at, sale_ends_at, .. } = read;
    patch.name = name.or_else(|| patch.name.take());
    patch.sku = sku.or_else(|| patch.sku.take());
    patch.price = price.or(patch.price);
    patch.hidden = hidden.or(patch.hidden);
    patch.per_user_limit = per_user_limit.or(patch.per_user_limit);
    patch.sale_starts_at = sale_starts_at.or(patch.sale_starts_at);
    patch.sale_ends_at = sale_ends_at.or(patch.sale_ends_at);
    patch.hold_seconds = read.hold_seconds.or(patch.hold_seconds);
}

/// Units to add, or to take away where negative; none where the field is empty. Spaces and a true minus are understood.
pub(in crate::dashboard) fn read_units(text: &str) -> Result<Option<i64>, String> {
    let text = compact(text).replace('\u{2212}', "-");
    if text.is_empty() {
        return Ok(None);
    }
    let most = i64::try_from(MAX_STOCK).unwrap_or(i64::MAX);
    let units = text.strip_prefix('+').unwrap_or(&text).parse::<i64>().ok();
    match units.filter(|units| units.unsigned_abs() <= most.unsigned_abs()) {
        Some(0) => Ok(None),
        Some(units) => Ok(Some(units)),
        None => Err("Units must be a whole number, such as +50 or -3.".to_owned()),
    }
}

fn whole_or_none(text: &str, most: u32) -> Result<Option<u32>, String> {
    let text = compact(text);
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| (1..=most).contains(number) && !text.starts_with('+'));
    number.map(Some).ok_or_else(|| format!("must be a whole number from 1 to {most}, or nothing"))
}

/// A time of UTC: `2026-11-27 12:00`, perhaps with seconds and milliseconds, or as RFC 3339 has it.
fn moment_or_none(text: &str) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let joined = text.replacen(' ', "T", 1);
    let time = joined.split_once('T').map_or("", |(_, time)| time);
    let seconds = if time.len() == 5 { ":00" } else { "" };
    let zone = if time.contains(['Z', 'z', '+', '-']) { "" } else { "Z" };
    Timestamp::parse(&format!("{joined}{seconds}{zone}"))
        .map(Some)
        .map_err(|_| "must be a time such as 2026-11-27 12:00:00, or nothing".to_owned())
}

fn time_text(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.to_string().replace('T', " ").trim_end_matches('Z').to_owned())
}

/// Without the spaces between thousands.
fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::product::Product;

    #[test]
    fn fields_are_read_as_people_write_them() {
        let mut fields = Sent::of(&Product::example(1, 5).terms);
        for (key, value) in [(Key::Price, "1\u{202f}249.5"), (Key::Limit, " 2 "), (Key::Starts, "2026-11-27 12:00")] {
            fields.iter_mut().find(|field| field.key == key).unwrap().value = value.to_owned();
        }
        let mut patch = ProductPatch::default();
        assert!(read_changes(&mut fields, &mut patch), "{fields:?}");
        assert_eq!(patch.price, Some(Money::from_cents(124_950)));
        assert_eq!(patch.per_user_limit, Some(Some(2)));
        assert_eq!(time_text(patch.sale_starts_at.flatten()), "2026-11-27 12:00:00.000");
        let lines: Vec<_> = fields.iter().filter(|field| field.is_changed()).map(Sent::line).collect();
        assert_eq!(lines, ["Price 9.99 → 1249.50", "Limit none → 2", "Start none → 2026-11-27 12:00:00.000"]);
    }

    #[test]
    fn the_same_value_written_otherwise_is_no_change() {
        let mut fields = Sent::of(&Product::example(1, 5).terms);
        fields[1].value = "9.990".replace('0', "");
        let mut patch = ProductPatch::default();
        assert!(read_changes(&mut fields, &mut patch));
        assert_eq!(patch, ProductPatch::default());
        fields[1].value = "free".to_owned();
        fields[2].value = "0".to_owned();
        assert!(!read_changes(&mut fields, &mut patch));
        assert_eq!(fields.iter().filter(|field| field.error.is_some()).count(), 2);
    }

    #[test]
    fn units_are_read_with_a_sign_or_without() {
        for (text, units) in [("", None), ("0", None), ("+5 000", Some(5_000)), ("7", Some(7)), ("\u{2212}3", Some(-3))]
        {
            assert_eq!(read_units(text), Ok(units));
        }
        for text in ["many", "1.5", "99999999999999", "--1"] {
            assert!(read_units(text).is_err(), "{text}");
        }
    }
}

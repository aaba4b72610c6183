//! JSON as people read it: aligned columns and plain text. Nothing in it can steer a terminal.

use std::fmt::Write;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::domain::digits::with_commas;

/// Most characters of a cell of a table.
const MAX_CELL_CHARS: usize = 40;

/// A column: its title, and the member of the rows that it shows.
pub(super) type Column = (&'static str, &'static str);

/// Rows under their titles, written page by page. Widths only grow, so a list needs no more memory than a page.
#[derive(Debug)]
pub(super) struct Table {
    columns: &'static [Column],
    widths: Vec<usize>,
    is_begun: bool,
}

impl Table {
    /// A table with these columns.
    pub(super) fn new(columns: &'static [Column]) -> Self {
        let widths = columns.iter().map(|(title, _)| title.len()).collect();
        Self { columns, widths, is_begun: false }
    }

    /// The lines of these rows; before the first ones, the titles.
    pub(super) fn page(&mut self, rows: &[Value]) -> String {
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| self.columns.iter().map(|it| Cell::of(&row[it.1])).collect()).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let mut out = String::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            let is_number = |column: usize| rows.first().is_some_and(|row| row[column].is_number);
            let titles = self.columns.iter().enumerate();
            let titles = titles.map(|(i, (title, _))| Cell { text: (*title).to_owned(), is_number: is_number(i) });
            self.line(&titles.collect::<Vec<_>>(), &mut out);
        }
        rows.iter().for_each(|row| self.line(row, &mut out));
        out
    }

    fn line(&self, cells: &[Cell], out: &mut String) {
        let start = out.len();
        for (cell, &width) in cells.iter().zip(&self.widths) {
            let _ = match cell.is_number {
                true => write!(out, "{:>width$}  ", cell.text),
                false => write!(out, "{:<width$}  ", cell.text),
            };
        }
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    }
}

#[derive(Debug)]
struct Cell {
    text: String,
    is_number: bool,
}

impl Cell {
    fn of(value: &Value) -> Self {
        let text = shown(value);
        let text = match text.char_indices().nth(MAX_CELL_CHARS) {
            // An id is of use only when it is whole.
            Some(_) if !text.contains(' ') => text,
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        let is_number = value.is_number() || value.as_str().is_some_and(is_decimal);
        Self { text, is_number }
    }
}

/// Lines of labels and values, the values under each other.
pub(super) fn block<L: AsRef<str>>(lines: &[(L, String)]) -> String {
    let width = lines.iter().map(|(label, _)| label.as_ref().chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for (label, value) in lines {
        let _ = writeln!(out, "{:<width$}  {value}", label.as_ref());
    }
    out
}

/// The members of a JSON object, in its order.
#[derive(Debug)]
pub(super) struct Members(pub(super) Vec<(String, Value)>);

impl Members {
    /// The members, the values under each other.
    pub(super) fn block(&self) -> String {
        let lines = self.0.iter().map(|(name, value)| (plain(name), shown(value)));
        block(&lines.collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// A value of JSON for people: numbers in groups of three digits, times to the second.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => with_commas(whole),
            (None, Some(below)) => format!("-{}", with_commas(below.unsigned_abs())),
            _ => number.to_string(),
        },
        Value::String(text) => match text.split_once('.') {
            Some((whole, cents)) if is_decimal(text) => {
                format!("{}.{cents}", whole.parse().map_or_else(|_| whole.to_owned(), with_commas))
            }
            _ => time(text).unwrap_or_else(|| plain(text)),
        },
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(members) => match (members.get("id"), members.get("name")) {
            (Some(id), Some(name)) => format!("{id} {}", shown(name)),
            _ => {
                let members = members.iter().map(|(name, value)| format!("{}={}", plain(name), shown(value)));
                members.collect::<Vec<_>>().join(", ")
            }
        },
    }
}

/// Money.
fn is_decimal(text: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(whole, cents)| is_digits(whole) && is_digits(cents) && cents.len() == 2)
}

/// `2026-11-25 12:00:38Z` for a time of the API.
fn time(text: &str) -> Option<String> {
    let (day, clock) = text.strip_suffix('Z').filter(|text| text.len() == 23 && text.is_ascii())?.split_once('T')?;
    Some(format!("{day} {}Z", clock.split_once('.')?.0))
}

/// The text without characters that steer a terminal: they are shown by their numbers.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_steering(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// Controls, line separators, and what sets the direction of text; not what joins emoji.
fn is_steering(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    match c.general_category() {
        Control | LineSeparator | ParagraphSeparator => true,
        Format => !matches!(c, '\u{200c}' | '\u{200d}'),
        _ => false,
    }
}

/// JSON as it came, but for raw DEL and C1 controls, which terminals obey: they become the escapes that mean the same.
pub(super) fn safe_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // They are in strings only.
            '\u{7f}'..='\u{9f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_only_people_get_groups_of_digits() {
        let mut table = Table::new(&[("ID", "id"), ("NAME", "name"), ("PRICE", "price")]);
        let rows =
            [json!({"id": 1234, "name": "lamp", "price": "1299.99"}), json!({"id": 2, "name": "a", "price": "5.00"})];
        let page = table.page(&rows);
        assert_eq!(page, "   ID  NAME     PRICE\n1,234  lamp  1,299.99\n    2  a         5.00\n");
        assert_eq!(table.page(&[json!({"id": 3})]), "    3  -     -\n");
    }

    #[test]
    fn nothing_in_a_name_steers_a_terminal() {
        let text = "a\u{1b}[2Jb\u{9b}c\u{7f}\r\n\u{202e}d\u{2028}👩\u{200d}🔬";
        let shown = shown(&json!(text));
        assert_eq!(shown, "a\\u{1b}[2Jb\\u{9b}c\\u{7f}\\u{d}\\u{a}\\u{202e}d\\u{2028}👩\u{200d}🔬");
        let json = serde_json::to_string(text).unwrap();
        let safe = safe_json(&json);
        assert!(!safe.chars().any(char::is_control), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn members_keep_their_order_and_times_lose_their_fractions() {
        let members: Members = serde_json::from_str(r#"{"z":1000,"at":"2026-01-31T12:00:00.123Z","a":null}"#).unwrap();
        assert_eq!(members.block(), "z   1,000\nat  2026-01-31 12:00:00Z\na   -\n");
    }
}

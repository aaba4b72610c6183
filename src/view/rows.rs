//! Views as the rows of an export: CSV for spreadsheets, or one JSON object a line.

use std::io::{self, Write};

use csv::{ByteRecord, ReaderBuilder, WriterBuilder};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a line of names first, made for spreadsheets: a text that one would take for a formula gets an
    /// apostrophe before it.
    Csv,
    /// One JSON object a line, everything as it is. What some readers take for the end of a line is escaped.
    Ndjson,
}

/// Rows that are drafted before they are written as CSV.
const DRAFTED_ROWS: usize = 512;

/// Where rows go.
#[derive(Debug)]
pub struct Sink<W: Write> {
    out: Out<W>,
    rows: u64,
}

#[derive(Debug)]
enum Out<W: Write> {
    Csv(Box<Csv<W>>),
    Ndjson(W),
}

impl<W: Write> Sink<W> {
    /// Rows in a form, written to `out`.
    pub fn new(format: Format, out: W) -> Self {
        let out = match format {
            Format::Csv => Out::Csv(Box::new(Csv::new(out))),
            Format::Ndjson => Out::Ndjson(out),
        };
        Self { out, rows: 0 }
    }

    /// What the cells of the rows to come are called. JSON's objects say it themselves.
    pub fn names(&mut self, names: &[impl AsRef<[u8]>]) -> io::Result<()> {
        match &mut self.out {
            Out::Csv(out) => Ok(out.out.write_record(names)?),
            Out::Ndjson(_) => Ok(()),
        }
    }

    /// Whether rows are cells.
    pub const fn is_csv(&self) -> bool {
        matches!(self.out, Out::Csv(_))
    }

    /// Writes a row; in CSV, its cells are the fields of the view in their order.
    pub fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        match &mut self.out {
            Out::Csv(out) => out.row(row)?,
            Out::Ndjson(out) => {
                row.serialize(&mut Serializer::with_formatter(&mut *out, OneLine))?;
                out.write_all(b"\n")?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Hands everything on; the number of rows.
    pub fn finish(self) -> io::Result<u64> {
        match self.out {
            Out::Csv(mut out) => {
                out.settle()?;
                out.out.flush()?;
            }
            Out::Ndjson(mut out) => out.flush()?,
        }
        Ok(self.rows)
    }
}

/// JSON in which no text holds an end of a line, not even one that only Unicode knows.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        const ENDS: [(char, &[u8]); 3] = [('\u{85}', br"\u0085"), ('\u{2028}', br"\u2028"), ('\u{2029}', br"\u2029")];
        let mut written = 0;
        // ASCII has none that JSON does not escape.
        if !text.is_ascii() {
            for (at, end) in text.match_indices(ENDS.map(|(end, _)| end)) {
                out.write_all(&text.as_bytes()[written..at])?;
                let escape = ENDS.iter().find(|(known, _)| end.starts_with(*known));
                out.write_all(escape.map_or(&b" "[..], |(_, escape)| escape))?;
                written = at + end.len();
            }
        }
        out.write_all(&text.as_bytes()[written..])
    }
}

/// Rows are written twice: once as their shape says, and then cell by cell, as cells are not in reach before.
#[derive(Debug)]
struct Csv<W: Write> {
    out: csv::Writer<W>,
    draft: csv::Writer<Vec<u8>>,
    drafted: usize,
}

impl<W: Write> Csv<W> {
    fn new(out: W) -> Self {
        Self { out: csv::Writer::from_writer(out), draft: Self::draft(), drafted: 0 }
    }

    /// The names of the cells are written already.
    fn draft() -> csv::Writer<Vec<u8>> {
        WriterBuilder::new().has_headers(false).from_writer(Vec::new())
    }

    fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        self.draft.serialize(row)?;
        self.drafted += 1;
        if self.drafted == DRAFTED_ROWS { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> io::Result<()> {
        let draft = std::mem::replace(&mut self.draft, Self::draft()).into_inner();
        let draft = draft.map_err(|error| io::Error::other(error.to_string()))?;
        let mut lines = ReaderBuilder::new().has_headers(false).from_reader(draft.as_slice());
        let mut cells = ByteRecord::new();
        while lines.read_byte_record(&mut cells)? {
            for cell in &cells {
                if is_formula(cell) {
                    self.out.write_field([b"'", cell].concat())?;
                } else {
                    self.out.write_field(cell)?;
                }
            }
            self.out.write_record(None::<&[u8]>)?;
        }
        self.drafted = 0;
        Ok(())
    }
}

/// Whether a spreadsheet would calculate a cell instead of showing it (OWASP, "CSV injection"). Numbers may begin
/// with a sign.
fn is_formula(cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell) else { return true };
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) && text.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        user_id: &'static str,
        change: i64,
        reason: Option<&'static str>,
    }

    const ROWS: [Row; 3] = [
        Row { user_id: "a \"quoted\", name", change: -5, reason: None },
        Row { user_id: "=HYPERLINK(\"http://evil\")", change: 7, reason: Some("-1+1") },
        Row { user_id: "山田", change: 0, reason: Some("＝1") },
    ];

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        let mut sink = Sink::new(format, &mut out);
        sink.names(&["userId", "change", "reason"]).unwrap();
        ROWS.iter().for_each(|row| sink.row(row).unwrap());
        assert_eq!(sink.finish().unwrap(), 3);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_quotes_what_must_be_and_disarms_formulas_but_not_numbers() {
        let expected = "userId,change,reason\n\"a \"\"quoted\"\", name\",-5,\n\
                        \"'=HYPERLINK(\"\"http://evil\"\")\",7,'-1+1\n山田,0,'＝1\n";
        assert_eq!(written(Format::Csv), expected);
    }

    #[test]
    fn ndjson_is_exact() {
        let expected = "{\"userId\":\"a \\\"quoted\\\", name\",\"change\":-5,\"reason\":null}\n\
                        {\"userId\":\"=HYPERLINK(\\\"http://evil\\\")\",\"change\":7,\"reason\":\"-1+1\"}\n\
                        {\"userId\":\"山田\",\"change\":0,\"reason\":\"＝1\"}\n";
        assert_eq!(written(Format::Ndjson), expected);
    }

    #[test]
    fn a_text_never_ends_the_line_that_it_is_in() {
        let name = "\u{2028}a\u{85}\u{2029}\"\n山\u{2028}";
        let mut out = Vec::new();
        let mut sink = Sink::new(Format::Ndjson, &mut out);
        sink.row(&Row { user_id: name, change: 0, reason: None }).unwrap();
        sink.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']), "{line:?}");
        assert!(line.contains(r"\u2028a\u0085\u2029"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["userId"], name);
    }
}

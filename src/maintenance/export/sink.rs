//! The two forms of an export.

use std::io::{self, Write};

use csv::{ByteRecord, ReaderBuilder, WriterBuilder};
use serde::Serialize;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a line of names first, made for spreadsheets: a text that one would take for a formula gets an
    /// apostrophe before it.
    Csv,
    /// One JSON object a line, everything as it is.
    Ndjson,
}

/// Where rows go.
pub(super) struct Sink<W: Write> {
    out: Out<W>,
    rows: u64,
}

enum Out<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Ndjson(W),
}

impl<W: Write> Sink<W> {
    pub(super) fn new(format: Format, out: W) -> Self {
        let out = match format {
            Format::Csv => Out::Csv(Box::new(WriterBuilder::new().from_writer(out))),
            Format::Ndjson => Out::Ndjson(out),
        };
        Self { out, rows: 0 }
    }

    pub(super) const fn is_csv(&self) -> bool {
        matches!(self.out, Out::Csv(_))
    }

    pub(super) fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        match &mut self.out {
            Out::Csv(out) => write_csv(row, self.rows == 0, out)?,
            Out::Ndjson(out) => {
                serde_json::to_writer(&mut *out, row)?;
                out.write_all(b"\n")?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Hands everything on; the number of rows.
    pub(super) fn finish(self) -> io::Result<u64> {
        match self.out {
            Out::Csv(mut out) => out.flush()?,
            Out::Ndjson(mut out) => out.flush()?,
        }
        Ok(self.rows)
    }
}

/// Writes a row, the first with the names before it. It is written twice, so that its cells are in reach for once.
fn write_csv<W: Write>(row: &impl Serialize, first: bool, out: &mut csv::Writer<W>) -> io::Result<()> {
    let mut draft = WriterBuilder::new().has_headers(first).buffer_capacity(1024).from_writer(Vec::new());
    draft.serialize(row)?;
    let draft = draft.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    let mut lines = ReaderBuilder::new().has_headers(false).buffer_capacity(1024).from_reader(draft.as_slice());
    let mut cells = ByteRecord::new();
    while lines.read_byte_record(&mut cells)? {
        for cell in &cells {
            if is_formula(cell) {
                out.write_field([b"'", cell].concat())?;
            } else {
                out.write_field(cell)?;
            }
        }
        out.write_record(None::<&[u8]>)?;
    }
    Ok(())
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
}

//! The `.env` file in the working directory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// What a `.env` file says: variables and their values, the first of each where one is there twice.
pub(super) type EnvFile = BTreeMap<String, String>;

const NAME: &str = ".env";

/// Reads the file, and adds what it says to the environment, which goes before it. To be called before anything else
/// reads the environment. A missing file is the normal case.
pub(super) fn load() -> Result<EnvFile, String> {
    let text = match std::fs::read_to_string(NAME) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(EnvFile::new()),
        Err(error) => return Err(format!("the file {NAME} cannot be read: {error}")),
    };
    let found = parse(&text)?;
    // It was read and understood a moment ago; the error would quote a line of it, which may be a secret.
    dotenvy::from_path(NAME).map_err(|_| format!("the file {NAME} cannot be read: it has just changed"))?;
    Ok(found)
}

/// The error gives the number of the line and not its text, which may be a secret.
fn parse(text: &str) -> Result<EnvFile, String> {
    let lines = Cell::new(0);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = EnvFile::new();
    for item in dotenvy::from_read_iter(LineByLine { rest: text.as_bytes(), lines: &lines }) {
        match item {
            Ok((variable, value)) => _ = found.entry(variable).or_insert(value),
            Err(dotenvy::Error::LineParse(entry, _)) => {
                // A value in quotes may go on over several lines.
                let first = (lines.get() + 1).saturating_sub(entry.lines().count());
                return Err(format!("line {first} of the file {NAME} is not NAME=value; put quotes around odd values"));
            }
            Err(error) => return Err(format!("the file {NAME} cannot be read: {error}")),
        }
    }
    Ok(found)
}

/// Hands out one line for each read and counts them, as dotenvy tells no line's number.
struct LineByLine<'t> {
    rest: &'t [u8],
    lines: &'t Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (now, later) = self.rest.split_at(end.min(out.len()));
        out[..now.len()].copy_from_slice(now);
        self.rest = later;
        // A line that is longer than the reader's buffer counts once.
        if now.ends_with(b"\n") || (later.is_empty() && !now.is_empty()) {
            self.lines.set(self.lines.get() + 1);
        }
        Ok(now.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_which_line_and_not_what_is_in_it() {
        let long = format!("# {}\nA=1\nBAD SECRET\n", "x".repeat(20_000));
        for (text, line) in [
            ("BAD SECRET", 1),
            ("BAD SECRET\n", 1),
            ("# a comment\n\nA=1\r\nB='two\nlines'\nBAD SECRET\nC=3\n", 6),
            ("\u{feff}A=1\nB=SECRET SECRET\n", 2),
            ("A=1\nB=\"SECRET\nand no end\n\n", 2),
            ("BAD SECRE\nBAD SECRET\n", 1),
            (long.as_str(), 3),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line} of")), "{text:?}: {error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let found = parse("\u{feff}A=1\nexport B=\"two words\"\nA=3\nC=\n").unwrap();
        let expected = [("A", "1"), ("B", "two words"), ("C", "")];
        assert_eq!(found, expected.map(|(variable, value)| (variable.to_owned(), value.to_owned())).into());
    }
}

//! The `.env` file in the working directory.
//!
//! A line is empty, a comment after `#`, or `NAME=value`, with `export` before it or not. A value is
//! - plain: up to the end of the line or to ` #`; it has no white space, quote or backslash inside;
//! - in single quotes: everything between them as it is, also over several lines;
//! - in double quotes: the same, except for the escapes `\n`, `\r`, `\t`, `\"`, `\\` and `\$`.
//!
//! Nothing in a value is ever substituted: `$` is a plain character. A file sets a name once.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::limits::MAX_SETTING_FILE_BYTES;
use crate::regular_file;

/// The variables of a `.env` file, and their values.
pub(super) type EnvFile = BTreeMap<String, String>;

const NAME: &str = ".env";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvFileError {
    #[error("cannot read the file {NAME}: {0}")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Line(#[from] LineError),
}

/// A line that cannot be used, by its number, counted from 1. Its text may be a secret and is not part of the error.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the file {NAME} {fault}")]
pub(super) struct LineError {
    line: usize,
    fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("is not NAME=value; put quotes around a value with spaces or special characters")]
    NoEntry,
    #[error("opens a quote that is not closed")]
    OpenQuote,
    #[error("has an unknown escape in double quotes; the known ones are \\n, \\r, \\t, \\\", \\\\ and \\$")]
    Escape,
    #[error("sets {0}, which an earlier line has set")]
    Again(String),
}

/// Reads the file. A missing one is the normal case.
pub(super) fn load() -> Result<EnvFile, EnvFileError> {
    let text = match regular_file::read_text(Path::new(NAME), MAX_SETTING_FILE_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound || is_closed(&error) => return Ok(EnvFile::new()),
        Err(error) => return Err(EnvFileError::Read(error)),
    };
    Ok(parse(&text)?)
}

/// Whether the working directory itself is closed to this user, so that no file in it can be meant: `sudo -u flashsale`
/// keeps the directory of whom it was started by. A file that is seen and cannot be read remains an error.
fn is_closed(error: &io::Error) -> bool {
    let denied = io::ErrorKind::PermissionDenied;
    let found = std::fs::symlink_metadata(NAME);
    error.kind() == denied && found.is_err_and(|error| error.kind() == denied)
}

fn parse(text: &str) -> Result<EnvFile, LineError> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let mut found = EnvFile::new();
    while !reader.rest.is_empty() {
        let line = reader.line;
        let entry = reader.entry().map_err(|fault| LineError { line, fault })?;
        let Some((name, value)) = entry else { continue };
        if found.contains_key(name) {
            return Err(LineError { line, fault: Fault::Again(name.to_owned()) });
        }
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

struct Reader<'t> {
    rest: &'t str,
    /// The line that `rest` begins on, counted from 1.
    line: usize,
}

impl<'t> Reader<'t> {
    /// Reads one line, or several if a value in quotes spans them.
    fn entry(&mut self) -> Result<Option<(&'t str, String)>, Fault> {
        self.skip_blanks();
        if self.is_at_end_of_entry(true) {
            self.end_line();
            return Ok(None);
        }
        let mut name = self.name();
        if name == "export" && self.rest.starts_with([' ', '\t']) {
            self.skip_blanks();
            name = self.name();
        }
        self.skip_blanks();
        self.rest = self.rest.strip_prefix('=').filter(|_| is_name(name)).ok_or(Fault::NoEntry)?;
        let is_apart = self.skip_blanks();
        if self.is_at_end_of_entry(is_apart) {
            self.end_line();
            return Ok(Some((name, String::new())));
        }
        let value = match self.rest.as_bytes().first() {
            Some(b'\'') => self.single_quoted()?,
            Some(b'"') => self.double_quoted()?,
            _ => self.plain()?.to_owned(),
        };
        let is_apart = self.skip_blanks();
        if !self.is_at_end_of_entry(is_apart) {
            return Err(Fault::NoEntry);
        }
        self.end_line();
        Ok(Some((name, value)))
    }

    /// Whether there was any.
    fn skip_blanks(&mut self) -> bool {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let skipped = rest.len() < self.rest.len();
        self.rest = rest;
        skipped
    }

    /// Whether nothing follows on this line, or a comment where one may begin.
    fn is_at_end_of_entry(&self, may_be_comment: bool) -> bool {
        let rest = self.rest;
        rest.is_empty()
            || rest.starts_with('\n')
            || rest.starts_with("\r\n")
            || rest == "\r"
            || (may_be_comment && rest.starts_with('#'))
    }

    fn end_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line += 1;
    }

    fn name(&mut self) -> &'t str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        self.take(end)
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }

    fn plain(&mut self) -> Result<&'t str, Fault> {
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let value = self.take(end);
        let is_odd = value.starts_with('#') || value.contains(['\'', '"', '\\', '`', '\0']);
        if is_odd { Err(Fault::NoEntry) } else { Ok(value) }
    }

    fn single_quoted(&mut self) -> Result<String, Fault> {
        self.take(1);
        let end = self.rest.find('\'').ok_or(Fault::OpenQuote)?;
        let value = self.take(end).to_owned();
        self.take(1);
        check_nul(value)
    }

    fn double_quoted(&mut self) -> Result<String, Fault> {
        self.take(1);
        let mut value = String::new();
        loop {
            let end = self.rest.find(['"', '\\']).ok_or(Fault::OpenQuote)?;
            value.push_str(self.take(end));
            if self.take(1) == "\"" {
                return check_nul(value);
            }
            value.push(match self.rest.chars().next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '$')) => c,
                _ => return Err(Fault::Escape),
            });
            self.take(1);
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// No variable can hold a NUL.
fn check_nul(value: String) -> Result<String, Fault> {
    if value.contains('\0') { Err(Fault::NoEntry) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            ("A=1\nB='SECRET\nand no end\n\n", 2),
            ("A=\"1\n2\n3\"\n\nB=\"\\SECRET\"", 5),
            ("BAD SECRE\nBAD SECRET\n", 1),
            ("A=1\nB=2\nA=SECRET\n", 3),
            (long.as_str(), 3),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line} of")), "{text:?}: {error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        for (text, value) in [
            ("A=1", "1"),
            ("A=1\n", "1"),
            ("A=1\r\n", "1"),
            ("A=1\r", "1"),
            ("  export\tA = 1  # one\n", "1"),
            ("export A='1'", "1"),
            ("A=", ""),
            ("A=\r\n", ""),
            ("A= # nothing", ""),
            ("A=''#x".trim_end_matches("#x"), ""),
            ("A=a#b", "a#b"),
            ("A=a=b", "a=b"),
            ("A=p$HOME${HOME}$(id)`".trim_end_matches('`'), "p$HOME${HOME}$(id)"),
            ("A='p$HOME \\n \"x\" # y'", "p$HOME \\n \"x\" # y"),
            ("A=\"p$HOME ${HOME} # 'y'\"", "p$HOME ${HOME} # 'y'"),
            (r#"A="\n\r\t\"\\\$" # c"#, "\n\r\t\"\\$"),
            ("A='two\nlines'", "two\nlines"),
            ("A=\"two\nlines\" # c\n", "two\nlines"),
            ("A=pä55wörd", "pä55wörd"),
            ("\u{feff}# c\n\n \t\nA=1\n#", "1"),
        ] {
            let expected = EnvFile::from([("A".to_owned(), value.to_owned())]);
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
        assert_eq!(parse("export=1"), Ok(EnvFile::from([("export".to_owned(), "1".to_owned())])));
        assert_eq!(parse("\n# c\r\n  # d\n"), Ok(EnvFile::new()));
    }

    #[test]
    fn every_other_line_is_refused() {
        for text in [
            "A",
            "A 1",
            "=1",
            "1A=1",
            "A-B=1",
            "A.B=1",
            "Ä=1",
            "export A",
            "export",
            "$A=1",
            "A=a b",
            "A=a\tb",
            "A=a'b'",
            "A=a\"b\"",
            "A=a\\b",
            "A=`id`",
            "A=#a",
            "A='a'b",
            "A='a'#b",
            "A= ''#b",
            "A=\"a\"'b'",
            "A='a",
            "A=\"a",
            "A=\"\\x\"",
            "A=\"\\",
            "A=a\rb",
            "A=\0",
            "A='\0'",
            "A=1\nA=2",
            "A: 1",
            "A+=1",
            "A=a\u{a0}b",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_can_be_written_in_quotes_and_is_read_back(value in "[^\0]{0,40}|[\\\\\"'$#\n a]{0,20}") {
            let expected = EnvFile::from([("A".to_owned(), value.clone())]);
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(parse(&format!("A=\"{escaped}\"\n")), Ok(expected.clone()));
            if !value.contains('\'') {
                prop_assert_eq!(parse(&format!("A='{value}' # c\n")), Ok(expected));
            }
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_it_says(text in "(?s).{0,80}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.to_string().starts_with("line "), "{}", error);
            }
        }
    }
}

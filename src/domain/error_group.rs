//! Which errors are the same: a text without what differs from one order to the next.
//!
//! Taken out, each as `#`: URLs, addresses with `@`, host names, IP addresses, ports, ids, hashes and numbers, that is
//! every word with a digit in it. Two numbers stay, as they say what happened: the HTTP status at the front, and a
//! bound behind `within`, which comes from the settings.

use crate::domain::order::Failure;
use crate::limits::MAX_ERROR_GROUP_CHARS;

/// What the errors of fulfilment begin with, and what says nothing where all do; longest first. Stores from before have
/// `answered` for `responded with`.
const PREFIXES: [&str; 4] = [
    "the fulfilment service responded with ",
    "the fulfilment service answered ",
    "the fulfilment service gave ",
    "the fulfilment service ",
];
/// Characters that a word may have inside, and that are punctuation at its ends.
const JOINTS: [char; 7] = ['-', '_', '.', ':', '@', '/', '%'];
/// From so many hexadecimal digits on, a word is a hash even if they are all letters.
const HASH_CHARS: usize = 12;
/// From so many characters on, a word is a key or a token and not one of a language.
const TOKEN_CHARS: usize = 24;

/// The group of a dead letter: its last error, normalised, with a word before it where the service refused for good.
pub fn of(failure: &Failure) -> String {
    match failure {
        Failure::Rejected(error) => format!("rejected: {}", normalised(error)),
        Failure::AttemptsExhausted(error) => normalised(error),
        Failure::Expired | Failure::CancelledByOperator => failure.code().to_owned(),
    }
}

/// An error without ids, numbers and addresses, on one line, of at most [`MAX_ERROR_GROUP_CHARS`] characters.
pub fn normalised(error: &str) -> String {
    let words = error.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let mut rest = line.as_str();
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    let mut text = Text::default();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !is_inside(c)).unwrap_or(rest.len());
        let word = rest[..end].trim_start_matches(JOINTS).trim_end_matches(JOINTS);
        let fits = match word.is_empty() || !rest.starts_with(word) {
            // Punctuation, or what is before a word.
            true => {
                rest = &rest[first.len_utf8()..];
                text.push_between(first)
            }
            false => {
                rest = &rest[word.len()..];
                text.push_word(word)
            }
        };
        if !fits {
            break;
        }
    }
    text.finish()
}

fn is_inside(c: char) -> bool {
    c.is_alphanumeric() || JOINTS.contains(&c)
}

/// The normalised text so far.
#[derive(Default)]
struct Text {
    text: String,
    chars: usize,
    /// Whether the last word was `within`, and only a space came after it.
    within: bool,
}

impl Text {
    /// Adds a character between words; false where there is no room.
    fn push_between(&mut self, c: char) -> bool {
        self.within &= c == ' ';
        match c {
            '#' => self.push_mark(),
            other => self.push(other.encode_utf8(&mut [0; 4])),
        }
    }

    /// Adds a word, or its placeholder.
    fn push_word(&mut self, word: &str) -> bool {
        let kept = match self.text.is_empty() {
            true => is_status(word),
            false => self.within && is_bound(word),
        };
        self.within = word == "within";
        if kept || !is_particular(word) { self.push(word) } else { self.push_mark() }
    }

    /// Adds the mark for what was taken out; a list of them is one.
    fn push_mark(&mut self) -> bool {
        self.within = false;
        let before = self.text.trim_end_matches([' ', ',']);
        if !before.ends_with('#') {
            return self.push("#");
        }
        self.text.truncate(before.len());
        self.chars = self.text.chars().count();
        true
    }

    fn push(&mut self, text: &str) -> bool {
        self.chars += text.chars().count();
        let fits = self.chars <= MAX_ERROR_GROUP_CHARS;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        if self.text.is_empty() { "no text".to_owned() } else { self.text }
    }
}

/// Whether a word is of one order, one moment or one machine.
fn is_particular(word: &str) -> bool {
    let chars = word.chars().count();
    word.contains(char::is_numeric)
        || word.contains("://")
        || word.contains(['@', '.'])
        || chars >= TOKEN_CHARS
        || (chars >= HASH_CHARS && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a word is an HTTP status.
fn is_status(word: &str) -> bool {
    word.len() == 3 && word.parse::<u16>().is_ok_and(|status| (100..600).contains(&status))
}

/// Whether a word is a number with a unit, such as `10s` or `1.5s`.
fn is_bound(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    word.starts_with(|c: char| c.is_ascii_digit()) && unit.len() <= 3 && unit.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_that_differ_only_by_ids_numbers_and_addresses_are_the_same() {
        for (error, group) in [
            ("the fulfilment service answered 503 Service Unavailable", "503 Service Unavailable"),
            ("the fulfilment service responded with 503 Service Unavailable", "503 Service Unavailable"),
            ("the fulfilment service responded with 503 Busy: order 4711", "503 Busy: order #"),
            ("the fulfilment service gave no response within 10s", "no response within 10s"),
            ("no response within 1.5s after 84 ms", "no response within 1.5s after # ms"),
            (
                "cannot be reached: Connection refused (os error 111)",
                "cannot be reached: Connection refused (os error #)",
            ),
            ("connect to 10.0.0.7:8443: refused", "connect to #: refused"),
            ("connect to [2001:db8::1]:443: refused", "connect to [#]:#: refused"),
            ("no such host \"shop.example\"", "no such host \"#\""),
            ("see https://shop.example/help?id=7 for more", "see #?id=# for more"),
            ("order 9f1c0e7b-5d3a-486f-8c2e-1b0d7a9f6354 is unknown", "order # is unknown"),
            ("order deadbeefcafebabe of ada@shop.example", "order # of #"),
            (
                "{\"code\":\"A17\",\"message\":\"address outside the area\"}",
                "{\"code\":\"#\",\"message\":\"address outside the area\"}",
            ),
            ("units 4, 8, 15 and 16 are missing", "units # and # are missing"),
            ("answered 200 with a body", "answered # with a body"),
            ("line one\r\n  line\ttwo", "line one line two"),
            ("Bestellung ٤٢ abgelehnt", "Bestellung # abgelehnt"),
            ("", "no text"),
            ("   ", "no text"),
            ("<script>alert(1)</script>", "<script>alert(#)</script>"),
        ] {
            assert_eq!(normalised(error), group, "{error}");
        }
        let refused = Failure::Rejected("the fulfilment service responded with 422 Unprocessable Entity".to_owned());
        assert_eq!(of(&refused), "rejected: 422 Unprocessable Entity");
    }

    proptest! {
        /// A group's text is a fixed point, short, on one line and without digits but those two.
        #[test]
        fn a_normalised_error_is_short_and_normalises_to_itself(
            error in concat!(
                "((the fulfilment service )?(responded with |answered )?[0-9]{0,3} ?)?",
                r#"([a-f0-9]{0,14}|within|[ #,.:/@"\n-]|\PC{0,9}){0,60}"#,
            ),
        ) {
            let once = normalised(&error);
            prop_assert!(once.chars().count() <= MAX_ERROR_GROUP_CHARS);
            prop_assert!(!once.contains(char::is_control));
            prop_assert_eq!(normalised(&once), once);
        }

        #[test]
        fn numbers_do_not_tell_errors_apart(a in any::<u64>(), b in any::<u64>()) {
            let error = |n: u64| normalised(&format!("order {n} of user-{n} at 10.0.0.{}: {n:x}", n % 256));
            // A hash of letters only is short enough to be a word once in a blue moon.
            prop_assume!([a, b].iter().all(|n| format!("{n:x}").contains(|c: char| c.is_ascii_digit())));
            prop_assert_eq!(error(a), error(b));
        }
    }
}

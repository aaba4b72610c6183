//! The report as one HTML file. It opens from the disk, without a network: its own policy lets it load nothing, and its
//! one style sheet is named by its hash.

use askama::Template;

use crate::domain::refusal::Refusal;

use super::report::Report;
use super::{Shared, text};

/// The style sheet of the file.
const STYLE: &str = include_str!("../../../templates/benchmark_file.css");

#[derive(Template)]
#[template(path = "benchmark_file.html")]
struct ReportFile<'a> {
    report: &'a Report,
    host: &'a str,
    version: &'static str,
    history: String,
    policy: String,
    style: &'static str,
    written: String,
    data: String,
}

/// The file as text.
pub(super) fn write(report: &Report, host: &str, shared: &Shared) -> Result<String, Refusal> {
    // Within a script element nothing but `<` could end it.
    let data = serde_json::to_string(&report.view).map_err(|_| Refusal::Internal)?.replace('<', "\\u003c");
    let file = ReportFile {
        report,
        host,
        version: env!("CARGO_PKG_VERSION"),
        history: shared.store.head().history().to_string(),
        policy: policy(STYLE),
        style: STYLE,
        written: format!("{} {} UTC", text::day(report.now), text::clock(report.now)),
        data,
    };
    file.render().map_err(|error| {
        tracing::error!(%error, "the report could not be written");
        Refusal::Internal
    })
}

/// A policy under which only this style sheet counts, and nothing is loaded.
fn policy(style: &str) -> String {
    let hash = base64(&hmac_sha256::Hash::hash(style.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_style_sheet_by_its_hash() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        // openssl dgst -sha256 -binary | base64
        assert!(policy("a{}").contains("'sha256-"), "{}", policy("a{}"));
        assert!(policy("").contains("'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'), "it loads something");
    }
}

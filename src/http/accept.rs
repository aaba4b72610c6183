//! What a client prefers among the forms of a response, by quality (RFC 9110, 12.4.2 and 12.5).

use axum::http::{HeaderMap, HeaderName};

/// How much a client wants one form, in thousandths, and 0 if not at all. `fit` says how exactly a range of the header
/// means this form, if it does: the most exact range decides, and of several the one that wants it most. `None` if
/// none means it.
pub fn quality(headers: &HeaderMap, name: &HeaderName, fit: impl Fn(&str) -> Option<u8>) -> Option<u16> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let fit = fit(parts.next()?)?;
        let weight =
            parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.trim_end().eq_ignore_ascii_case("q")));
        Some((fit, weight.map_or(Some(1_000), |(_, weight)| thousandths(weight.trim()))?))
    });
    ranges.max().map(|(_, quality)| quality)
}

/// A weight, 0 to 1 with at most three digits after the point; nothing else is one.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let is_right = part.len() <= 3 && part.bytes().all(|digit| digit.is_ascii_digit());
    match (whole, is_right) {
        ("0", true) => format!("{part:0<3}").parse().ok(),
        ("1", true) if part.bytes().all(|digit| digit == b'0') => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT;

    use super::*;

    fn of_text(accept: &[&str]) -> Option<u16> {
        let lines = accept.iter().map(|line| (ACCEPT, line.parse().unwrap()));
        let mut headers = HeaderMap::new();
        lines.for_each(|(name, line)| {
            headers.append(name, line);
        });
        quality(&headers, &ACCEPT, |range| match range {
            "*/*" => Some(0),
            "text/*" => Some(1),
            "text/plain" => Some(2),
            _ => None,
        })
    }

    #[test]
    fn the_most_exact_range_decides_whatever_the_others_want() {
        for (accept, expected) in [
            (&[][..], None),
            (&["text/html"], None),
            (&["text/plain"], Some(1_000)),
            (&["text/plain;q=0.2, text/*;q=0.9, */*"], Some(200)),
            (&["*/*;q=0.1", "text/*; q=0.35"], Some(350)),
            (&["text/plain;version=1;q=0.4, text/plain;version=2; Q=0.3"], Some(400)),
            (&["text/plain;q=0"], Some(0)),
            (&["text/plain;q=0.001"], Some(1)),
            (&["text/plain;q=1.000"], Some(1_000)),
        ] {
            assert_eq!(of_text(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_range_whose_weight_is_none_means_nothing() {
        for weight in ["", "2", "1.001", "0.0001", "-1", ".5", "0,5", "x", "1e0"] {
            assert_eq!(thousandths(weight), None, "{weight}");
        }
        assert_eq!(of_text(&["text/plain;q=many, */*;q=0.5"]), Some(500));
    }
}

//! Files that open from the disk, without a network: their own policy lets them load nothing, and names what is inside
//! by its hash.

/// The style sheet of the charts, beside the file's own.
pub(crate) const CHART_STYLE: &str = include_str!("../../templates/time_chart.css");

/// A policy under which only these style sheets count, and this script, if there is one; nothing is loaded.
pub(crate) fn policy(styles: &[&str], script: Option<&str>) -> String {
    let hash = |text: &&str| format!(" 'sha256-{}'", base64(&hmac_sha256::Hash::hash(text.as_bytes())));
    let script = script.map_or_else(String::new, |script| format!("; script-src{}", hash(&script)));
    let styles: String = styles.iter().map(hash).collect();
    format!("default-src 'none'; style-src{styles}{script}; base-uri 'none'; form-action 'none'")
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
    fn the_policy_names_what_is_inside_by_its_hash() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        // openssl dgst -sha256 -binary | base64
        let empty = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        let alone = policy(&[""], None);
        assert!(alone.contains(&format!("style-src {empty};")) && !alone.contains("script-src"), "{alone}");
        let both = policy(&["a{}", ""], Some("a"));
        assert!(both.contains(&format!(" {empty}; script-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='")));
        assert!(!CHART_STYLE.contains("url(") && !CHART_STYLE.contains("@import") && !CHART_STYLE.contains('<'));
    }
}

//! What can name a user or a product.
//!
//! The id of a user decides how many units its buyer may have, so two ids that look the same must be the same: it has
//! no white space at its ends, no characters that are not shown, and is in Unicode normalization form C. The name of a
//! product is for people only: it may have the marks of scripts that run from right to left, and those that join
//! emoji.

use unicode_normalization::is_nfc;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::limits::{MAX_NAME_CHARS, MAX_SKU_CHARS};

/// Checks the id of a user; the error says what is wrong with it.
pub fn check_user_id(id: &str) -> Result<(), &'static str> {
    // Nearly all ids are of these characters, and for them nothing else can be wrong.
    if (1..=MAX_NAME_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    check_text(id)?;
    if id.chars().any(is_not_shown) {
        return Err("must not contain characters that are not shown, such as a zero-width space");
    }
    if id.chars().any(|c| c.general_category() == GeneralCategory::Unassigned) {
        return Err("must not contain characters that Unicode has not assigned");
    }
    if !is_nfc(id) {
        return Err("must be in Unicode normalization form C (NFC)");
    }
    Ok(())
}

/// Checks the name of a product; the error says what is wrong with it.
pub fn check_product_name(name: &str) -> Result<(), &'static str> {
    check_text(name)?;
    if name.chars().all(|c| is_not_shown(c) || c.is_whitespace()) {
        return Err("must contain a character that is shown");
    }
    if name.chars().any(is_noncharacter) {
        return Err("must not contain noncharacters");
    }
    Ok(())
}

/// Checks the shop's own id for an order; the error says what is wrong with it. It is a key like the id of a user.
pub fn check_reference(reference: &str) -> Result<(), &'static str> {
    check_user_id(reference)
}

/// Checks the stock-keeping unit of a product; the error says what is wrong with it. It is a key like the id of a user.
pub fn check_sku(sku: &str) -> Result<(), &'static str> {
    check_user_id(sku)?;
    match sku.chars().count() <= MAX_SKU_CHARS {
        true => Ok(()),
        false => Err("must be at most 64 characters"),
    }
}

/// What every name has in common: 1 to [`MAX_NAME_CHARS`] characters on one line.
fn check_text(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.len() > MAX_NAME_CHARS && text.chars().count() > MAX_NAME_CHARS {
        return Err("must be at most 255 characters");
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters");
    }
    if text.contains(['\u{2028}', '\u{2029}']) {
        return Err("must not contain line or paragraph separators");
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err("must not begin or end with white space");
    }
    Ok(())
}

/// Whether a character is a format character (general category Cf), or of those with another category that are not
/// shown either (property `Default_Ignorable_Code_Point`).
fn is_not_shown(c: char) -> bool {
    let is_ignorable = matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_ignorable || c.general_category() == GeneralCategory::Format
}

/// Whether Unicode will never assign a character.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOT_SHOWN: &str = "must not contain characters that are not shown, such as a zero-width space";

    #[test]
    fn ids_and_names_of_every_script_are_taken() {
        for name in [
            "a",
            "user-1@shop.example",
            "Ada Lovelace",
            "Ünï cödé",
            "山田 太郎",
            "山田\u{3000}太郎",
            "مستخدم",
            "हिन्दी",
            "한국어",
            "😀",
            "👩🏽",
            "a\u{a0}b",
            &"a".repeat(255),
            &"é".repeat(255),
        ] {
            assert_eq!(check_user_id(name), Ok(()), "{name}");
            assert_eq!(check_product_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_text_that_looks_like_another_id_is_no_id() {
        for (id, error) in [
            ("ada ", "must not begin or end with white space"),
            (" ada", "must not begin or end with white space"),
            ("ada\u{a0}", "must not begin or end with white space"),
            ("\u{3000}ada", "must not begin or end with white space"),
            ("ada\u{200b}", NOT_SHOWN),
            ("a\u{ad}da", NOT_SHOWN),
            ("\u{feff}ada", NOT_SHOWN),
            ("a\u{200d}da", NOT_SHOWN),
            ("\u{202e}ada", NOT_SHOWN),
            ("a\u{34f}da", NOT_SHOWN),
            ("ada\u{fe0f}", NOT_SHOWN),
            ("ada\u{3164}", NOT_SHOWN),
            ("ada\u{e0041}", NOT_SHOWN),
            ("a\u{e000}\u{378}", "must not contain characters that Unicode has not assigned"),
            ("ada\u{ffff}", "must not contain characters that Unicode has not assigned"),
            ("e\u{301}", "must be in Unicode normalization form C (NFC)"),
            ("\u{212b}ngstrom", "must be in Unicode normalization form C (NFC)"),
            ("q\u{307}\u{323}", "must be in Unicode normalization form C (NFC)"),
            ("a\u{2028}b", "must not contain line or paragraph separators"),
        ] {
            assert_eq!(check_user_id(id), Err(error), "{id:?}");
        }
    }

    #[test]
    fn what_is_no_name_at_all_is_neither_an_id_nor_a_product() {
        for name in [
            "",
            " ",
            "\u{3000}",
            "a\u{0}b",
            "a\nb",
            "a\tb",
            "\u{85}",
            "a\u{9f}b",
            "a\u{2029}b",
            "a\u{fdd0}",
            &"a".repeat(256),
        ] {
            assert!(check_user_id(name).is_err() && check_product_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_products_name_may_have_marks_that_are_not_shown_but_not_be_made_of_them() {
        for name in
            ["👩\u{200d}💻 Laptop", "❤\u{fe0f}", "\u{200f}קפה (hot)\u{200f}", "می\u{200c}خواهم", "e\u{301}", "\u{378}"]
        {
            assert_eq!(check_product_name(name), Ok(()), "{name:?}");
        }
        for name in ["\u{200b}", "\u{200f}\u{200e}", "\u{3164}", "\u{200b} \u{200b}"] {
            assert_eq!(check_product_name(name), Err("must contain a character that is shown"), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_the_same_after_trimming_and_normalizing(id in "\\PC{1,8}|[a\u{301}\u{323}\u{200b} é]{1,6}") {
            use unicode_normalization::UnicodeNormalization;
            if check_user_id(&id).is_ok() {
                prop_assert_eq!(&id.trim().nfc().collect::<String>(), &id);
            }
        }
    }
}

//! Numbers as text, at a fraction of what formatting costs: each accepted order carries several.

/// Appends a number in hexadecimal with `digits` digits at least, 16 at most.
pub fn push_hex(text: &mut String, number: u64, digits: u32) {
    let needed = (u64::BITS - number.leading_zeros()).div_ceil(4).clamp(digits, 16);
    let mut all = [0; 16];
    for (digit, place) in all.iter_mut().rev().enumerate() {
        *place = b"0123456789abcdef"[(number >> (digit * 4) & 0xf) as usize];
    }
    // Always is: these are digits.
    text.push_str(std::str::from_utf8(&all[16 - needed as usize..]).unwrap_or_default());
}

/// Appends a number in decimal.
pub fn push_decimal(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    // Always is: these are digits.
    text.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

/// A number in groups of three digits, with narrow spaces that no line breaks at.
pub fn grouped(number: u64) -> String {
    grouped_by(number, '\u{202f}')
}

/// The same with commas, which every terminal has and every program can remove.
pub fn with_commas(number: u64) -> String {
    grouped_by(number, ',')
}

fn grouped_by(number: u64, separator: char) -> String {
    let mut digits = String::new();
    push_decimal(&mut digits, number);
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_written_in_groups() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (1_234_567, "1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn numbers_are_written_as_formatting_would() {
        for number in [0, 1, 0xf, 0x10, 0xdead_beef, u64::MAX] {
            let (mut short, mut long) = (String::new(), String::new());
            push_hex(&mut short, number, 1);
            push_hex(&mut long, number, 8);
            assert_eq!((short, long), (format!("{number:x}"), format!("{number:08x}")));
        }
    }

    #[test]
    fn decimals_are_written_as_formatting_would() {
        for number in [0, 7, 10, 99, 100, 12_345_678_901, u64::MAX] {
            let mut text = String::new();
            push_decimal(&mut text, number);
            assert_eq!(text, number.to_string());
        }
    }
}

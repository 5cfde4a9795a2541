//! Times, bytes and numbers, as people read them.

use std::time::Duration;

/// A time: `500 ms`, `20 s`.
pub fn time(time: Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds.is_multiple_of(1_000) { format!("{} s", milliseconds / 1_000) } else { format!("{milliseconds} ms") }
}

/// Bytes: `64 KiB`.
pub fn bytes(bytes: usize) -> String {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    match bytes {
        0 => "0 bytes".to_owned(),
        bytes if bytes.is_multiple_of(MIB) => format!("{} MiB", number(bytes / MIB)),
        bytes if bytes.is_multiple_of(KIB) => format!("{} KiB", number(bytes / KIB)),
        bytes => format!("{} bytes", number(bytes)),
    }
}

/// A number: `10,000`.
pub fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_with_their_unit() {
        assert_eq!([time(Duration::from_millis(500)), time(Duration::from_secs(20))], ["500 ms", "20 s"]);
        assert_eq!([bytes(1 << 16), bytes(3 << 20), bytes(1_000), bytes(0)], ["64 KiB", "3 MiB", "1,000 bytes", "0 bytes"]);
        assert_eq!([number(7), number(1_234_567)], ["7", "1,234,567"]);
    }
}

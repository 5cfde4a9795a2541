//! Times, bytes and numbers, as people read them.

use std::time::Duration;

/// A time: `500 ms`, `20 s`.
pub(crate) fn time(time: Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds.is_multiple_of(1_000) { format!("{} s", milliseconds / 1_000) } else { format!("{milliseconds} ms") }
}

/// Bytes: `64 KiB`.
pub(crate) fn bytes(bytes: usize) -> String {
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
pub(crate) fn number(number: usize) -> String {
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

/// Amounts, as people write them.
pub(crate) mod parse {
    use std::time::Duration;

    /// A time with its unit: `500 ms`, `20 s`, `5m`.
    pub(crate) fn time(text: &str) -> Option<Duration> {
        let (amount, unit) = with_unit(text)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        amount.checked_mul(milliseconds).map(Duration::from_millis)
    }

    /// Bytes, with or without a unit: `64 MiB`, `4096`.
    pub(crate) fn bytes(text: &str) -> Option<usize> {
        let (amount, unit) = with_unit(text)?;
        let bytes = match unit {
            "" | "B" | "bytes" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        amount.checked_mul(bytes).and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// A number: `20`.
    pub(crate) fn number(text: &str) -> Option<usize> {
        text.trim().parse().ok()
    }

    /// What can be written for an amount of this kind.
    pub(crate) fn example(kind: &str) -> &'static str {
        match kind {
            "time" => "a time with its unit, `500 ms` or `20 s`",
            "bytes" => "bytes, with or without a unit: `64 MiB`, `512 KiB`, `4096`",
            _ => "a number: `20`",
        }
    }

    fn with_unit(text: &str) -> Option<(u64, &str)> {
        let text = text.trim();
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        Some((digits.parse().ok()?, unit.trim()))
    }
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

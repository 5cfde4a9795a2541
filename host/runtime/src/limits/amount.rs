//! Times, bytes and numbers, as people read and write them.

pub(crate) use vestibule_model::amount::{bytes, number, time};

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

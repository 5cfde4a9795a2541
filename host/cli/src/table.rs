//! Plain tables, and numbers as people read them.

use vestibule::model::{amount, one_line};

/// Rows of cells in columns: as wide as needed, two spaces between, three before.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        // A terminal shows what it is told: no cell may tell it anything but text.
        self.0.push(cells.iter().map(|cell| printable(cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        for row in &self.0 {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(f, "   {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A text as one line that a terminal shows as it is.
pub(crate) fn printable(text: &str) -> String {
    one_line(text)
}

/// 3120 as `3,120`.
pub(crate) fn thousands(number: u64) -> String {
    amount::number(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Bytes in thousands: `57 kB`.
pub(crate) fn kilobytes(bytes: usize) -> String {
    format!("{} kB", thousands((bytes as u64).div_ceil(1_000)))
}

/// Bytes in millions: `1.1 MB`.
pub(crate) fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(312), "312");
        assert_eq!(thousands(3_120), "3,120");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    #[test]
    fn columns_are_aligned_and_a_terminal_is_told_nothing_but_text() {
        let mut table = Table::default();
        table.row(["a", "bc"]);
        table.row(["\u{1b}[2J", "d"]);
        assert_eq!(table.to_string(), "   a          bc\n   \\u{1b}[2J  d\n");
    }
}

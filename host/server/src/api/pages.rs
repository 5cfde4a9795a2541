//! Pages of a list, as Auth0's API has them: by what the page before has ended with, and by number.

use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// Rows on a page, where the caller doesn't say how many, and at most.
const TAKE: usize = 50;
const MOST: usize = 100;
/// How far back pages by number go: whoever reads further does so by `from` and `take`.
const FURTHEST: usize = 1_000;

/// How many rows a parameter asks for.
pub(super) fn how_many(parameter: &str, given: Option<usize>) -> Result<usize, ApiError> {
    match given.unwrap_or(TAKE) {
        number if (1..=MOST).contains(&number) => Ok(number),
        _ => Err(ApiError::invalid_query(format!("`{parameter}` is a number from 1 to {MOST}"))),
    }
}

/// How many rows stand before a page, counted from nought.
pub(super) fn before(page: Option<usize>, per_page: usize) -> Result<usize, ApiError> {
    match page.unwrap_or_default().saturating_mul(per_page) {
        skip if skip < FURTHEST => Ok(skip),
        _ => Err(ApiError::invalid_query(format!("pages by number end after {FURTHEST}; read further with `from` and `take`"))),
    }
}

/// A page by number, of lists that tell how much there is in all. They go to their end: an Action's
/// versions are listed in no other way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    page: usize,
    per_page: usize,
    /// Rows before it.
    pub(super) skip: usize,
}

impl Numbered {
    /// The page that these parameters ask for.
    pub(super) fn read(page: Option<usize>, per_page: Option<usize>) -> Result<Self, ApiError> {
        let (page, per_page) = (page.unwrap_or_default(), how_many("per_page", per_page)?);
        Ok(Self { page, per_page, skip: page.saturating_mul(per_page) })
    }

    /// Rows on it, at most.
    pub(super) fn take(self) -> usize {
        self.per_page
    }

    /// The answer, with the rows under this name.
    pub(super) fn answer(self, rows_are: &str, rows: Vec<Value>, total: u64) -> Value {
        json!({ (rows_are): rows, "total": total, "page": self.page, "per_page": self.per_page })
    }
}

/// Which members of each row are shown: `fields` and `include_fields`.
#[derive(Debug)]
pub(super) struct Fields {
    named: Vec<String>,
    are_shown: bool,
}

impl Fields {
    /// Of names with commas between them. No name shows all members.
    pub(super) fn read(fields: Option<&str>, include_fields: Option<bool>) -> Self {
        let named = fields.unwrap_or_default().split(',').map(str::trim);
        Self {
            named: named.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            are_shown: include_fields.unwrap_or(true),
        }
    }

    /// The row with these members alone.
    pub(super) fn of(&self, mut row: Map<String, Value>) -> Value {
        if !self.named.is_empty() {
            row.retain(|name, _| self.named.contains(name) == self.are_shown);
        }
        Value::Object(row)
    }
}

/// Where a page begins by what the one before has ended with; an empty text is the beginning.
pub(super) fn after(from: Option<&str>) -> Option<&str> {
    from.filter(|from| !from.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_tells_how_much_there_is_goes_to_its_end() {
        let page = Numbered::read(Some(123), Some(100)).unwrap();
        assert_eq!((page.skip, page.take()), (12_300, 100));
        assert_eq!(Numbered::read(Some(usize::MAX), None).unwrap().skip, usize::MAX);
        assert!(before(Some(10), 100).is_err(), "the log is read further by `from` and `take`");
    }
}

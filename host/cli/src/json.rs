//! What `--json` prints.

use anyhow::Result;
use serde::Serialize;

/// Prints one value over several lines.
pub(crate) fn print<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

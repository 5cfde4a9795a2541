//! What `--json` prints.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

/// Prints one value over several lines.
pub(crate) fn print<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Says what was done: in a sentence, or as one object.
pub(crate) fn done(json: bool, sentence: &str, object: &Value) -> Result<()> {
    if json {
        return print(object);
    }
    println!("{sentence}");
    Ok(())
}

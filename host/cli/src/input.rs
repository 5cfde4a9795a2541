//! What is read from standard input: a secret, so that it is in no list of processes and no
//! history; and a yes. And files that hold secrets.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// More bytes than a secret of any kind has.
const LONGEST: u64 = 64 << 10;

/// A secret that is one line, the first: what stands below it in a keeper of passwords is something
/// else. `example` says how it gets there.
pub(crate) fn line(example: &str) -> Result<Zeroizing<String>> {
    prompt()?;
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line).context("can't read the secret from standard input")?;
    given(&line, example)
}

/// A secret that may have several lines, as a key in PEM has: all of the input, but the end of its
/// last line.
pub(crate) fn all(example: &str) -> Result<Zeroizing<String>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return line(example);
    }
    let mut text = Zeroizing::new(String::new());
    input.lock().take(LONGEST + 1).read_to_string(&mut text).context("can't read the secret from standard input")?;
    if text.len() as u64 > LONGEST {
        bail!("standard input has more than {LONGEST} bytes, which is no secret");
    }
    given(&text, example)
}

fn prompt() -> Result<()> {
    if std::io::stdin().is_terminal() {
        eprint!("The secret, which is seen as you type it: ");
        std::io::stderr().flush()?;
    }
    Ok(())
}

fn given(text: &str, example: &str) -> Result<Zeroizing<String>> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let secret = text.strip_suffix('\r').unwrap_or(text);
    if secret.is_empty() {
        bail!("there is no secret on standard input; for instance: {example}");
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

/// Whether a person says yes. An empty line and the end of the input are a no.
pub(crate) fn agrees(question: &str) -> Result<bool> {
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("can't read an answer from standard input")?;
    Ok(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}

/// Reads TOML that holds secrets: what is wrong is told by its line alone, since a message of the
/// parser may show a value.
pub(crate) fn secretive<T: DeserializeOwned>(text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error: toml::de::Error| match error.span() {
        Some(span) => anyhow!("line {} is wrong", text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1),
        None => anyhow!("something is wrong in it"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_secret_is_told_by_its_line() {
        let read = |text: &str| secretive::<BTreeMap<String, u8>>(text).unwrap_err().to_string();
        assert_eq!(read("a = 1\nb = \"hunter2\"\n"), "line 2 is wrong");
        assert_eq!(read("hunter2"), "line 1 is wrong");
    }
}

//! The wire format between a host and its compiler: a `u32` length, a JSON header, and a payload
//! whose size is in the header.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest JSON, in bytes: a reason is the longest that there is to say.
const LONGEST: usize = 64 << 10;
/// The longest reason, in characters. A validator's are one line.
const LONGEST_REASON: usize = 4_096;

/// What is to be compiled, how, and with how much. The component's bytes follow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) component_bytes: u64,
    pub(super) compiled_bytes: u64,
    /// Address space of the process.
    pub(super) memory: u64,
    /// Processor time of the process.
    pub(super) seconds: u64,
    pub(super) count_fuel: bool,
    pub(super) read_symbols: bool,
    /// The host's engine.
    pub(super) fingerprint: String,
}

/// What has become of an order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The number of bytes of code that follow.
    Compiled { bytes: u64 },
    /// The component is not right, or uses what isn't offered.
    Refused { reason: String },
    /// There was no more memory, and the compiler could still say so.
    OutOfMemory,
    /// The code is too large: its number of bytes.
    TooLarge { bytes: u64 },
    /// This program's engine isn't the host's.
    OtherEngine,
    /// The process couldn't be confined, so nothing was compiled.
    NotConfined { reason: String },
}

impl Answer {
    pub(super) fn refused(reason: &str) -> Self {
        Self::Refused { reason: reason.chars().take(LONGEST_REASON).collect() }
    }
}

/// Code as a compiler's process has answered it, in full. Only [`read_answer`] makes one.
pub(crate) struct Answered(Vec<u8>);

impl Answered {
    pub(crate) fn code(&self) -> &[u8] {
        &self.0
    }
}

pub(super) fn write(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_vec(value)?;
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&json)
}

pub(super) fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::Error::other(format!("a header of {length} bytes, at most {LONGEST} are expected")));
    }
    let mut json = vec![0; length];
    input.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Reads a number of bytes, and fails where there are fewer. Memory is allocated as they come.
pub(super) fn read_bytes(input: &mut impl Read, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = input.take(count).read_to_end(&mut bytes)?;
    if u64::try_from(read).ok() == Some(count) { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A whole answer, with its code where it has some. More code than this is not read.
pub(super) fn read_answer(input: &mut impl Read, compiled_bytes: u64) -> io::Result<Result<Answered, Answer>> {
    match read(input)? {
        Answer::Compiled { bytes } if bytes > compiled_bytes => Ok(Err(Answer::TooLarge { bytes })),
        Answer::Compiled { bytes } => read_bytes(input, bytes).map(|code| Ok(Answered(code))),
        other => Ok(Err(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(answer: &Answer, code: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, answer).unwrap();
        bytes.extend_from_slice(code);
        bytes
    }

    #[test]
    fn an_answer_comes_back_as_it_was_written() {
        let whole = framed(&Answer::Compiled { bytes: 4 }, b"code");
        assert_eq!(read_answer(&mut &whole[..], 4).unwrap().ok().unwrap().code(), b"code");
        let refused = framed(&Answer::refused("no"), b"");
        assert_eq!(read_answer(&mut &refused[..], 4).unwrap().err().unwrap(), Answer::refused("no"));
    }

    #[test]
    fn a_truncated_answer_is_an_error() {
        let whole = framed(&Answer::Compiled { bytes: 4 }, b"code");
        for length in 0..whole.len() {
            assert!(read_answer(&mut &whole[..length], 4).is_err(), "{length}");
        }
    }

    #[test]
    fn more_code_than_is_allowed_is_not_read_and_a_long_header_is_not_either() {
        let large = framed(&Answer::Compiled { bytes: u64::MAX }, b"code");
        assert_eq!(read_answer(&mut &large[..], 4).unwrap().err().unwrap(), Answer::TooLarge { bytes: u64::MAX });
        let error = read_answer(&mut &[0xff; 100][..], 4).err().unwrap();
        assert!(error.to_string().contains("at most 65536 are expected"), "{error}");
        assert!(serde_json::to_vec(&Answer::refused(&"\u{1f980}".repeat(1 << 20))).unwrap().len() < LONGEST);
    }
}

//! Changes of bytes, read from an input: what turns something real into a variant of it.

use arbitrary::{Arbitrary, Unstructured};

/// The most bytes that editing makes of something: what is copied again and again would fill any
/// memory.
const LARGEST: usize = 2 << 20;

/// The most changes at one time: after more, nothing of what was real is left.
const MOST: usize = 12;

/// One change. A place beyond the end is taken modulo the length.
#[derive(Debug, Arbitrary)]
enum Edit<'a> {
    Replace { at: u32, byte: u8 },
    Flip { at: u32, bit: u8 },
    Insert { at: u32, bytes: &'a [u8] },
    Token { at: u32, token: u8 },
    Remove { at: u32, length: u16 },
    Copy { from: u32, length: u16, at: u32, times: u8 },
}

/// The bytes with the edits that the input goes on with, and with `tokens` where one of them is to
/// be put in.
pub(crate) fn edited(base: &[u8], tokens: &[&[u8]], input: &mut Unstructured<'_>) -> Vec<u8> {
    let mut bytes = base.to_vec();
    for _ in 0..input.int_in_range(1..=MOST).unwrap_or_default() {
        let Ok(edit) = Edit::arbitrary(input) else { break };
        edit.apply(&mut bytes, tokens);
    }
    bytes
}

impl Edit<'_> {
    fn apply(&self, bytes: &mut Vec<u8>, tokens: &[&[u8]]) {
        let place = |at: u32, bytes: &[u8]| at as usize % (bytes.len() + 1);
        match *self {
            Self::Replace { at, byte } => {
                let at = place(at, bytes);
                if let Some(replaced) = bytes.get_mut(at) {
                    *replaced = byte;
                }
            }
            Self::Flip { at, bit } => {
                let at = place(at, bytes);
                if let Some(flipped) = bytes.get_mut(at) {
                    *flipped ^= 1 << (bit % 8);
                }
            }
            Self::Insert { at, bytes: inserted } => insert(bytes, place(at, bytes), inserted),
            Self::Token { at, token } => {
                if let Some(token) = tokens.get(usize::from(token) % tokens.len().max(1)) {
                    insert(bytes, place(at, bytes), token);
                }
            }
            Self::Remove { at, length } => {
                let at = place(at, bytes);
                let end = bytes.len().min(at + usize::from(length));
                bytes.drain(at..end);
            }
            Self::Copy { from, length, at, times } => {
                let from = place(from, bytes);
                let end = bytes.len().min(from + usize::from(length));
                let copied = bytes[from..end].repeat(usize::from(times));
                insert(bytes, place(at, bytes), &copied);
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, inserted: &[u8]) {
    if bytes.len() + inserted.len() <= LARGEST {
        bytes.splice(at..at, inserted.iter().copied());
    }
}

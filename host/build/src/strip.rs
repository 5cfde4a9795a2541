//! A component without what only its author needs: names, debugging information, and what its
//! compiler says of itself.

use std::ops::Range;

use wasm_encoder::{ComponentSectionId, RawSection, Section as _};
use wasmparser::{BinaryReaderError, Parser, Payload};

/// The bytes that begin a module and a component.
const HEADER: usize = 8;

fn part(component: &[u8], range: Range<u64>) -> &[u8] {
    let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    bounds.and_then(|(start, end)| component.get(start..end)).unwrap_or_default()
}

/// The component without its custom sections, and without those of what is nested in it. Its code
/// is the same, byte for byte: what a trace of it says of functions and offsets is true of the
/// component with symbols.
pub(crate) fn strip(component: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut kept = component.get(..HEADER).unwrap_or_default().to_vec();
    // Sections of what is nested come one by one as well: each nested thing is taken whole, and its
    // sections are passed over.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        let nested = match &payload {
            Payload::ModuleSection { unchecked_range, .. } => Some((ComponentSectionId::CoreModule, unchecked_range.clone())),
            Payload::ComponentSection { unchecked_range, .. } => Some((ComponentSectionId::Component, unchecked_range.clone())),
            _ => None,
        };
        if let Some((id, range)) = nested {
            if depth == 0 {
                let data = strip(part(component, range))?;
                RawSection { id: id.into(), data: &data }.append_to(&mut kept);
            }
            depth += 1;
        } else if depth > 0 {
            depth -= usize::from(matches!(payload, Payload::End(_)));
        } else if !matches!(payload, Payload::CustomSection(_))
            && let Some((id, range)) = payload.as_section()
        {
            RawSection { id, data: part(component, range) }.append_to(&mut kept);
        }
    }
    Ok(kept)
}

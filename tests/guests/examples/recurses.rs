//! Calls itself without end: on WebAssembly's own stack, or, where its configuration says `memory`,
//! with room on the stack that Rust keeps in linear memory.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Recurses;

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(depth + 1).rotate_left(3) ^ depth }
}

fn deeper_in_memory(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 16]);
    if room[0] == u64::MAX { 0 } else { deeper_in_memory(depth + 1) + room[7] }
}

impl PostLogin for Recurses {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let start = event.logins_count();
        let depth = if event.configuration("memory").is_some() { deeper_in_memory(start) } else { deeper(start) };
        api.session().set_metadata("depth", &depth.to_string())?;
        Ok(())
    }
}

vestibule_sdk::export!(Recurses);

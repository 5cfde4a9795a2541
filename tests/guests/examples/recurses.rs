//! Calls itself without end.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Recurses;

fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 16]);
    if room[0] == u64::MAX { 0 } else { deeper(depth + 1) + room[7] }
}

impl PostLogin for Recurses {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        api.session().set_metadata("depth", &deeper(std::hint::black_box(0)).to_string())?;
        Ok(())
    }
}

vestibule_sdk::export!(Recurses);

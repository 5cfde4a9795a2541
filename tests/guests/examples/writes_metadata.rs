//! Writes session metadata as its configuration says: `count` entries, or one with `key` and
//! `value`, as long as `length` says.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct WritesMetadata;

impl PostLogin for WritesMetadata {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let count: usize = event.configuration("count").map_or(Ok(1), |text| text.parse())?;
        let key = event.configuration("key");
        let length: usize = event.configuration("length").map_or(Ok(1), |text| text.parse())?;
        for number in 0..count {
            let key = key.clone().unwrap_or_else(|| format!("key{number}"));
            api.session().set_metadata(&key, &"🦀".repeat(length))?;
        }
        Ok(())
    }
}

vestibule_sdk::export!(WritesMetadata);

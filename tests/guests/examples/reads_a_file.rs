//! Wants a file of the host's.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct ReadsAFile;

impl PostLogin for ReadsAFile {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        let passwords = std::fs::read_to_string("/etc/passwd")?;
        api.access().deny(&passwords)?;
        Ok(())
    }
}

vestibule_sdk::export!(ReadsAFile);

//! Takes as many mebibytes of memory as its configuration says, `mebibytes`; without it, without
//! end.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct GrowsMemory;

impl PostLogin for GrowsMemory {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let mebibytes = event.configuration("mebibytes").map_or(Ok(usize::MAX), |text| text.parse())?;
        let mut blocks = Vec::new();
        while blocks.len() < mebibytes {
            blocks.push(std::hint::black_box(vec![1u8; 1 << 20]));
        }
        api.session().set_metadata("mebibytes", &blocks.len().to_string())?;
        Ok(())
    }
}

vestibule_sdk::export!(GrowsMemory);

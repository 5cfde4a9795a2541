//! Writes something, and then computes without end.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct LoopsForEver;

impl PostLogin for LoopsForEver {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        api.session().set_metadata("left", "behind")?;
        let mut number: u64 = 1;
        while std::hint::black_box(number) != 0 {
            number = number.wrapping_mul(3) | 1;
        }
        Ok(())
    }
}

vestibule_sdk::export!(LoopsForEver);

//! Looks at all that the plumbing shows: arguments, environment, clocks, random numbers; and at
//! what an earlier run has left.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct LooksAround;

static RUNS: AtomicU32 = AtomicU32::new(0);

impl PostLogin for LooksAround {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        let token = api.id_token();
        token.set_custom_claim("arguments", std::env::args().count())?;
        token.set_custom_claim("environment", std::env::vars().count())?;
        token.set_custom_claim("now", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64)?;
        let started = Instant::now();
        token.set_custom_claim("time_goes_on", started.elapsed().as_nanos() > 0)?;
        // A map's hasher is seeded with the host's random numbers: the order of these keys is one
        // of 40,320.
        let order: HashMap<u8, ()> = (0..8).map(|number| (number, ())).collect();
        token.set_custom_claim("random", order.into_keys().collect::<Vec<u8>>())?;
        token.set_custom_claim("earlier_runs", RUNS.fetch_add(1, Ordering::Relaxed))?;
        Ok(())
    }
}

vestibule_sdk::export!(LooksAround);

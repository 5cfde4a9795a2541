//! Writes into the session which transaction it was that the client logged in by last: an entry for
//! each client.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct WritesItsTransaction;

impl PostLogin for WritesItsTransaction {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        if let Some(transaction) = event.transaction().id() {
            api.session().set_metadata(&event.client().id(), &transaction)?;
        }
        Ok(())
    }
}

vestibule_sdk::export!(WritesItsTransaction);

//! Reads a secret, and tells no more than its length.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct ReadsASecret;

impl PostLogin for ReadsASecret {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let length = event.secret("API_KEY").map(|secret| secret.len());
        api.id_token().set_custom_claim("secret_length", length)?;
        api.id_token().set_custom_claim("other_secret", event.secret("OTHER"))?;
        Ok(())
    }
}

vestibule_sdk::export!(ReadsASecret);

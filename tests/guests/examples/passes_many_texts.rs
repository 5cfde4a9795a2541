//! Passes as many tiny texts to the host as its configuration says, `texts`, in one call.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct PassesManyTexts;

impl PostLogin for PassesManyTexts {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let texts: usize = event.configuration("texts").unwrap_or_default().parse()?;
        let roles = api.roles().get_user_effective_roles_by_ids(&vec!["x"; texts]);
        api.session().set_metadata("roles", &roles.len().to_string())?;
        Ok(())
    }
}

vestibule_sdk::export!(PassesManyTexts);

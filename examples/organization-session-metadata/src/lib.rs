//! Writes the organization that the user logs in to into the session's metadata, where the tenant's
//! applications find it.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct OrganizationSessionMetadata;

impl PostLogin for OrganizationSessionMetadata {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let Some(organization) = event.organization() else { return Ok(()) };
        let session = api.session();
        session.set_metadata("org_id", &organization.id)?;
        session.set_metadata("org_slug", &organization.name)?;
        session.set_metadata("org_name", organization.display_name.as_ref().unwrap_or(&organization.name))?;
        Ok(())
    }
}

vestibule_sdk::export!(OrganizationSessionMetadata);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    #[test]
    fn the_organization_is_written_into_the_session() {
        let outcome = Login::from_json(include_str!("../../events/organization-login.json")).run::<OrganizationSessionMetadata>();
        assert!(outcome.is_allowed());
        let metadata = &outcome.session.metadata;
        assert_eq!(metadata.get("org_id"), Some("org_abc123"));
        assert_eq!(metadata.get("org_slug"), Some("acme"));
        assert_eq!(metadata.get("org_name"), Some("Acme Corp"));
    }

    #[test]
    fn without_a_display_name_the_name_stands_for_it() {
        let login = Login::new().with(json!({ "organization": { "id": "org_1", "name": "initech" } }));
        let outcome = login.run::<OrganizationSessionMetadata>();
        assert_eq!(outcome.session.metadata.get("org_name"), Some("initech"));
    }

    #[test]
    fn without_an_organization_nothing_is_written() {
        let outcome = Login::new().run::<OrganizationSessionMetadata>();
        assert!(outcome.is_allowed());
        assert!(outcome.session.metadata_changes.is_empty());
    }

    #[test]
    fn a_name_that_is_too_long_fails_the_login() {
        let login = Login::new().with(json!({ "organization": { "id": "org_1", "name": "n".repeat(256) } }));
        let outcome = login.run::<OrganizationSessionMetadata>();
        let failure = outcome.failed().expect("256 characters are one too many");
        assert_eq!(failure.to_string(), "the value of `org_slug` has 256 characters, at most 255 are allowed");
        assert!(outcome.session.metadata.is_empty());
    }
}

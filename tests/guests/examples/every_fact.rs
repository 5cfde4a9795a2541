//! Reads every fact of the contract, and tells each as a claim.

use vestibule_sdk::{Api, Event, PostLogin, Result};

pub(crate) struct EveryFact;

impl PostLogin for EveryFact {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let token = api.id_token();
        macro_rules! tell {
            ($($name:literal = $fact:expr;)*) => {
                $(token.set_custom_claim($name, format!("{:?}", $fact))?;)*
            };
        }
        let (user, session, client, request) = (event.user(), event.session(), event.client(), event.request());
        let (transaction, refresh_token, prompt) = (event.transaction(), event.refresh_token(), event.prompt());
        tell! {
            "authentication.methods" = event.authentication().methods();
            "authentication.risk" = event.authentication().risk();
            "authorization.roles" = event.roles();
            "client.id" = client.id();
            "client.metadata" = client.metadata();
            "client.name" = client.name();
            "client.refresh_token_policies" = client.refresh_token_policies();
            "configuration" = event.configuration("mode");
            "connection" = event.connection();
            "custom_domain" = event.custom_domain();
            "organization" = event.organization();
            "prompt.fields" = prompt.fields();
            "prompt.id" = prompt.id();
            "prompt.vars" = prompt.vars();
            "refresh_token" = refresh_token.get();
            "refresh_token.device_asn" = refresh_token.device_asn();
            "refresh_token.device_ip" = refresh_token.device_ip();
            "refresh_token.device_user_agent" = refresh_token.device_user_agent();
            "refresh_token.metadata" = refresh_token.metadata();
            "refresh_token.resource_servers" = refresh_token.resource_servers();
            "refresh_token.user_id" = refresh_token.user_id();
            "request.asn" = request.asn();
            "request.body" = request.body();
            "request.geo_coordinates" = request.geo_coordinates();
            "request.geo_country" = request.geo_country();
            "request.geo_place" = request.geo_place();
            "request.hostname" = request.hostname();
            "request.ip" = request.ip();
            "request.language" = request.language();
            "request.method" = request.method();
            "request.query" = request.query();
            "request.user_agent" = request.user_agent();
            "resource_server" = event.resource_server();
            "secret" = event.secret("API_KEY");
            "security_context.ja3" = event.security_context().ja3();
            "security_context.ja4" = event.security_context().ja4();
            "session.all_metadata" = session.all_metadata();
            "session.clients" = session.clients();
            "session.cookie" = session.cookie();
            "session.device_asn" = session.device_asn();
            "session.device_ip" = session.device_ip();
            "session.device_user_agent" = session.device_user_agent();
            "session.id" = session.id();
            "session.metadata" = session.metadata("device");
            "session.times" = session.times();
            "session.user_id" = session.user_id();
            "groups.get_user_groups" = api.groups().get_user_groups();
            "groups.has_group_membership" = api.groups().has_group_membership(&["staff", "grp_2"]);
            "roles.get_user_effective_roles" = api.roles().get_user_effective_roles();
            "roles.get_user_effective_roles_by_ids" = api.roles().get_user_effective_roles_by_ids(&["rol_2"]);
            "roles.get_user_effective_roles_by_names" = api.roles().get_user_effective_roles_by_names(&["buyer"]);
            "cache.get" = api.cache().get("rates");
            "stats.logins_count" = event.logins_count();
            "tenant.id" = event.tenant_id();
            "transaction.acr_values" = transaction.acr_values();
            "transaction.actor_token_type" = transaction.actor_token_type();
            "transaction.all_metadata" = transaction.all_metadata();
            "transaction.correlation_id" = transaction.correlation_id();
            "transaction.id" = transaction.id();
            "transaction.linking_id" = transaction.linking_id();
            "transaction.locale" = transaction.locale();
            "transaction.login_hint" = transaction.login_hint();
            "transaction.metadata" = transaction.metadata("risk");
            "transaction.prompt" = transaction.prompt();
            "transaction.protocol" = transaction.protocol();
            "transaction.redirect_uri" = transaction.redirect_uri();
            "transaction.requested_authorization_details" = transaction.requested_authorization_details();
            "transaction.requested_scopes" = transaction.requested_scopes();
            "transaction.response_mode" = transaction.response_mode();
            "transaction.response_type" = transaction.response_type();
            "transaction.state" = transaction.state();
            "transaction.subject_token_type" = transaction.subject_token_type();
            "transaction.ui_locales" = transaction.ui_locales();
            "user.app_metadata" = user.app_metadata();
            "user.created_at" = user.created_at();
            "user.email" = user.email();
            "user.enrolled_factors" = user.enrolled_factors();
            "user.id" = user.id();
            "user.identities" = user.identities();
            "user.identity_profiles" = user.identity_profiles();
            "user.last_password_reset" = user.last_password_reset();
            "user.multifactor" = user.multifactor();
            "user.names" = user.names();
            "user.phone" = user.phone();
            "user.picture" = user.picture();
            "user.updated_at" = user.updated_at();
            "user.user_metadata" = user.user_metadata();
        }
        Ok(())
    }
}

vestibule_sdk::export!(EveryFact);

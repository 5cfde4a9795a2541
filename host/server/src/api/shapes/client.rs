//! A client, as it is sent and returned: what an application wants to hear of logouts, and settings
//! that are of no effect here.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use crate::logout::OidcLogout;

/// An application, as far as it is stored.
#[derive(ToSchema)]
pub(crate) struct Client {
    client_id: String,
    tenant: String,
    name: String,
    #[schema(required = false)]
    description: String,
    #[schema(required = false)]
    app_type: String,
    #[schema(required = false)]
    logo_uri: String,
    #[schema(required = false)]
    is_first_party: bool,
    #[schema(required = false)]
    client_metadata: BTreeMap<String, String>,
    /// As it was sent.
    #[schema(required = false)]
    oidc_logout: OidcLogout,
    #[schema(required = false)]
    allowed_clients: Vec<String>,
    #[schema(required = false)]
    allowed_logout_urls: Vec<String>,
    #[schema(required = false)]
    allowed_origins: Vec<String>,
    #[schema(required = false)]
    callbacks: Vec<String>,
    #[schema(required = false)]
    client_aliases: Vec<String>,
    #[schema(required = false)]
    grant_types: Vec<String>,
    #[schema(required = false)]
    organization_discovery_methods: Vec<String>,
    #[schema(required = false)]
    web_origins: Vec<String>,
    #[schema(required = false)]
    initiate_login_uri: String,
    #[schema(required = false)]
    organization_require_behavior: String,
    #[schema(required = false)]
    organization_usage: String,
    #[schema(required = false)]
    token_endpoint_auth_method: String,
    #[schema(required = false)]
    cross_origin_loc: String,
    #[schema(required = false)]
    compliance_level: String,
    #[schema(required = false)]
    cross_origin_authentication: bool,
    #[schema(required = false)]
    custom_login_page_on: bool,
    #[schema(required = false)]
    is_token_endpoint_ip_header_trusted: bool,
    #[schema(required = false)]
    oidc_conformant: bool,
    #[schema(required = false)]
    require_proof_of_possession: bool,
    #[schema(required = false)]
    require_pushed_authorization_requests: bool,
    #[schema(required = false)]
    skip_non_verifiable_callback_uri_confirmation_prompt: bool,
    #[schema(required = false)]
    sso: bool,
    #[schema(required = false)]
    sso_disabled: bool,
}

/// A body with the members that any client can have, after its own ones.
macro_rules! client_body {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$member_doc])* $member: $type,)*
            #[schema(max_length = 140)]
            description: Option<String>,
            #[schema(max_length = 64)]
            app_type: Option<String>,
            #[schema(max_length = 2000)]
            logo_uri: Option<String>,
            is_first_party: Option<bool>,
            client_metadata: Option<BTreeMap<String, String>>,
            oidc_logout: Option<OidcLogout>,
            /// The older name of `oidc_logout`.
            oidc_backchannel_logout: Option<OidcLogout>,
            // Stored, and of no effect here.
            #[schema(max_items = 100)]
            allowed_clients: Option<Vec<String>>,
            #[schema(max_items = 100)]
            allowed_logout_urls: Option<Vec<String>>,
            #[schema(max_items = 100)]
            allowed_origins: Option<Vec<String>>,
            #[schema(max_items = 100)]
            callbacks: Option<Vec<String>>,
            #[schema(max_items = 100)]
            client_aliases: Option<Vec<String>>,
            #[schema(max_items = 100)]
            grant_types: Option<Vec<String>>,
            #[schema(max_items = 100)]
            organization_discovery_methods: Option<Vec<String>>,
            #[schema(max_items = 100)]
            web_origins: Option<Vec<String>>,
            #[schema(max_length = 2000)]
            initiate_login_uri: Option<String>,
            #[schema(max_length = 64)]
            organization_require_behavior: Option<String>,
            #[schema(max_length = 64)]
            organization_usage: Option<String>,
            #[schema(max_length = 64)]
            token_endpoint_auth_method: Option<String>,
            #[schema(max_length = 2000)]
            cross_origin_loc: Option<String>,
            #[schema(max_length = 64)]
            compliance_level: Option<String>,
            cross_origin_authentication: Option<bool>,
            custom_login_page_on: Option<bool>,
            is_token_endpoint_ip_header_trusted: Option<bool>,
            oidc_conformant: Option<bool>,
            require_proof_of_possession: Option<bool>,
            require_pushed_authorization_requests: Option<bool>,
            skip_non_verifiable_callback_uri_confirmation_prompt: Option<bool>,
            sso: Option<bool>,
            sso_disabled: Option<bool>,
            // Accepted and ignored.
            addons: Option<Value>,
            anonymous_sessions: Option<Value>,
            async_approval_notification_channels: Option<Value>,
            callback_url_template: Option<Value>,
            client_authentication_methods: Option<Value>,
            client_secret: Option<Value>,
            created_at: Option<Value>,
            cross_origin_auth: Option<Value>,
            custom_login_page: Option<Value>,
            custom_login_page_preview: Option<Value>,
            default_organization: Option<Value>,
            encryption_key: Option<Value>,
            express_configuration: Option<Value>,
            external_client_id: Option<Value>,
            external_metadata_created_by: Option<Value>,
            external_metadata_type: Option<Value>,
            fedcm_login: Option<Value>,
            form_template: Option<Value>,
            global: Option<Value>,
            identity_assertion_authorization_grant: Option<Value>,
            is_global: Option<Value>,
            jwks_uri: Option<Value>,
            jwt_configuration: Option<Value>,
            mobile: Option<Value>,
            my_organization_configuration: Option<Value>,
            native_social_login: Option<Value>,
            par_request_expiry: Option<Value>,
            redirection_policy: Option<Value>,
            refresh_token: Option<Value>,
            resource_server_identifier: Option<Value>,
            session_transfer: Option<Value>,
            signed_request_object: Option<Value>,
            signing_keys: Option<Value>,
            tenant: Option<Value>,
            third_party_security_mode: Option<Value>,
            token_exchange: Option<Value>,
            token_quota: Option<Value>,
            token_vault_privileged_access: Option<Value>,
            updated_at: Option<Value>,
        }
    };
}

client_body! {
    /// An application that is new. Members that Auth0 defines and this server doesn't store are
    /// accepted and ignored.
    ClientCreate {
        /// As the platform's events name it; made where it is missing.
        #[schema(required = false, min_length = 1, max_length = 255, pattern = r"^[!-~]+$")]
        client_id: String,
        #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
        name: String,
    }
}

client_body! {
    /// What changes of an application; `null` removes. Members that Auth0 defines and this server
    /// doesn't store are accepted and ignored.
    ClientUpdate {
        #[schema(required = false, min_length = 1, max_length = 255, pattern = r"\S")]
        name: String,
    }
}

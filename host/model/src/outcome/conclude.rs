//! From a login whose flow has ended to its outcome. Each change carries the Action that made it,
//! so no decision depends on the reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{
    ActionReport, CacheOutcome, Change, Decision, Failure, Multifactor, Outcome, RefreshTokenOutcome, Revoked, SamlOutcome,
    SessionOutcome, TokenOutcome, TransactionOutcome, UserOutcome,
};
use crate::json::ObjectChanges;
use crate::login::{CacheChanges, Changes, MetadataChanges, MultifactorChange, SamlChanges, TokenChanges, Written};
use crate::{ActionId, CacheEntry, Login, MetadataKey, Provider};

impl Outcome {
    /// What a login has come to, when its flow has ended with these reports, one for each Action of
    /// the flow.
    ///
    /// The login fails with the first Action that failed, unless `login` was rolled back to before
    /// it and the flow went on: say so with `failed` being `None`.
    pub fn new(login: &Login, actions: Vec<ActionReport>, failed: Option<(ActionId, Failure)>) -> Self {
        if let Some((action, error)) = failed {
            let session = SessionOutcome {
                id: login.event().session.as_ref().map(|session| session.id.clone()),
                metadata: login.event().session.as_ref().map(|session| session.metadata.clone()).unwrap_or_default(),
                ..SessionOutcome::default()
            };
            let before = login.event().transaction.as_ref();
            return Self {
                decision: Decision::Failed { error, action },
                session,
                access_token: None,
                id_token: None,
                user: UserOutcome::default(),
                transaction: TransactionOutcome {
                    metadata: before.map(|transaction| transaction.metadata.clone()).unwrap_or_default(),
                },
                refresh_token: None,
                multifactor: None,
                saml_response: None,
                cache: CacheOutcome::default(),
                actions,
            };
        }
        let changes = login.changes();
        let decision = decision(changes);
        let issued = decision == Decision::Allow;
        Self {
            session: session(login),
            refresh_token: refresh_token(login),
            multifactor: changes.multifactor.as_ref().filter(|_| issued).and_then(multifactor),
            saml_response: issued.then(|| saml_response(&changes.saml)).flatten(),
            cache: CacheOutcome { changes: cache(&changes.cache) },
            access_token: issued.then(|| token(&changes.access_token)),
            id_token: issued.then(|| token(&changes.id_token)),
            user: UserOutcome {
                user_metadata: members(&changes.user_metadata, Clone::clone),
                app_metadata: members(&changes.app_metadata, Clone::clone),
            },
            transaction: TransactionOutcome {
                metadata: login.transaction_metadata().into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect(),
            },
            decision,
            actions,
        }
    }
}

fn decision(changes: &Changes) -> Decision {
    let denied = changes.denial.as_ref().map(|denial| (&denial.reason, &denial.by));
    let revoked = changes.session.revoked.as_ref().map(|revoked| (&revoked.reason, &revoked.by));
    let token_revoked = changes.refresh_token.revoked.as_ref().map(|(reason, by)| (reason, by));
    match denied.or(revoked).or(token_revoked) {
        Some((reason, by)) => Decision::Deny { reason: reason.clone(), action: by.clone() },
        None => Decision::Allow,
    }
}

fn session(login: &Login) -> SessionOutcome {
    let Some(session) = &login.event().session else { return SessionOutcome::default() };
    let changes = &login.changes().session;
    SessionOutcome {
        id: Some(session.id.clone()),
        metadata: login.session_metadata_map(),
        metadata_evicted: changes.metadata.evicted,
        metadata_changes: entries(&changes.metadata),
        expires_at: changes.expires_at,
        idle_expires_at: changes.idle_expires_at,
        cookie_mode: changes.cookie_mode,
        revoked: changes.revoked.as_ref().map(|revoked| Revoked {
            reason: revoked.reason.clone(),
            preserve_refresh_tokens: revoked.preserve_refresh_tokens,
            action: revoked.by.clone(),
        }),
    }
}

fn entries(changes: &MetadataChanges) -> BTreeMap<MetadataKey, Change<Option<Arc<str>>>> {
    let change = |written: &Written| Change { value: written.value.clone(), action: written.by.clone() };
    changes.entries.iter().map(|(key, written)| (key.clone(), change(written))).collect()
}

fn refresh_token(login: &Login) -> Option<RefreshTokenOutcome> {
    let token = login.event().refresh_token.as_ref()?;
    let changes = &login.changes().refresh_token;
    let revoked = changes.revoked.as_ref();
    Some(RefreshTokenOutcome {
        id: token.facts().id,
        metadata: login.refresh_token_metadata_map(),
        metadata_evicted: changes.metadata.evicted,
        metadata_changes: entries(&changes.metadata),
        expires_at: changes.expires_at,
        idle_expires_at: changes.idle_expires_at,
        revoked: revoked.map(|(reason, by)| Change { value: reason.clone(), action: by.clone() }),
    })
}

/// What is required: an Action that asks for none has taken back what another has asked for.
fn multifactor(change: &MultifactorChange) -> Option<Multifactor> {
    let &MultifactorChange { provider, allow_remember_browser, ref by } = change;
    (provider != Provider::None).then_some(())?;
    Some(Multifactor { provider, allow_remember_browser, action: by.clone() })
}

fn saml_response(changes: &SamlChanges) -> Option<SamlOutcome> {
    let attributes = members(&changes.attributes, Clone::clone);
    let is_asked = changes.response.is_some() || !attributes.is_empty();
    is_asked.then(|| SamlOutcome { attributes, response: changes.response.as_deref().cloned().unwrap_or_default() })
}

fn cache(changes: &CacheChanges) -> BTreeMap<String, Change<Option<CacheEntry>>> {
    let named = changes.iter().map(|(key, (value, by))| {
        let change = Change { value: value.clone(), action: by.clone() };
        (key.to_string(), change)
    });
    named.collect()
}

fn token(changes: &TokenChanges) -> TokenOutcome {
    let scopes = |wanted: bool| {
        let of_kind = changes.scopes.iter().filter(move |(_, (added, _))| *added == wanted);
        of_kind.map(|(scope, (_, by))| (scope.to_string(), by.clone())).collect()
    };
    TokenOutcome {
        claims: members(&changes.claims, |value| value.clone().unwrap_or_default()),
        added_scopes: scopes(true),
        removed_scopes: scopes(false),
    }
}

fn members<T>(changes: &ObjectChanges, value: impl Fn(&Option<Value>) -> T) -> BTreeMap<String, Change<T>> {
    let named = changes.iter().map(|(name, change)| (name.to_owned(), value(&change.value), change.by.clone()));
    named.map(|(name, value, action)| (name, Change { value, action })).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ActionResult;
    use super::*;
    use crate::login::tests::login;

    fn id(name: &str) -> ActionId {
        ActionId::new(name, "0.1.0").unwrap()
    }

    fn report(name: &str) -> ActionReport {
        ActionReport { result: ActionResult::Ok, ..ActionReport::not_run(id(name)) }
    }

    fn json(outcome: &Outcome) -> Value {
        serde_json::to_value(outcome).unwrap()
    }

    #[test]
    fn each_change_names_the_action_that_made_it_last() {
        let mut login = login();
        login.begin(&id("first"));
        login.set_session_metadata("org_id", "org_1").unwrap();
        login.set_access_token_claim("https://acme.example/org", "{\"id\":1}").unwrap();
        login.begin(&id("second"));
        login.set_session_metadata("org_id", "org_2").unwrap();
        login.add_scope("read:orders").unwrap();
        let outcome = Outcome::new(&login, vec![report("first"), report("second")], None);
        let json = json(&outcome);
        assert_eq!(json["decision"], "allow");
        assert_eq!(json["session"]["metadata"], serde_json::json!({ "locale": "de", "org_id": "org_2" }));
        assert_eq!(json["session"]["metadata_changes"]["org_id"]["action"], "second@0.1.0");
        assert_eq!(json["access_token"]["claims"]["https://acme.example/org"]["id"], 1);
        assert_eq!(json["access_token"]["added_scopes"][0], "read:orders");
        assert_eq!(json["actions"][1]["result"], "ok");
    }

    #[test]
    fn a_denied_login_issues_no_tokens_and_what_was_asked_of_the_user_stands() {
        let mut login = login();
        login.set_user_metadata("seen", "true").unwrap();
        login.set_access_token_claim("c", "1").unwrap();
        login.deny("not today").unwrap();
        let json = json(&Outcome::new(&login, vec![report("gate")], None));
        assert_eq!((&json["decision"], &json["reason"]), (&"deny".into(), &"not today".into()));
        assert_eq!((&json["access_token"], &json["id_token"]), (&Value::Null, &Value::Null));
        assert_eq!(json["user"]["user_metadata"]["seen"], true);
    }

    #[test]
    fn a_revoked_session_denies_the_login() {
        let mut login = login();
        login.revoke_session("stolen", true).unwrap();
        let json = json(&Outcome::new(&login, vec![report("gate")], None));
        assert_eq!((&json["decision"], &json["reason"]), (&"deny".into(), &"stolen".into()));
        assert_eq!(json["session"]["revoked"]["preserve_refresh_tokens"], true);
    }

    #[test]
    fn a_denial_stands_with_fewer_reports_than_actions() {
        let mut denied = login();
        denied.begin(&id("gate"));
        denied.deny("not today").unwrap();
        let json_of = |login: &Login| json(&Outcome::new(login, Vec::new(), None));
        assert_eq!((&json_of(&denied)["decision"], &json_of(&denied)["reason"]), (&"deny".into(), &"not today".into()));
        assert_eq!(json_of(&denied)["action"], "gate@0.1.0", "and it keeps its author");
        let mut revoked = login();
        revoked.revoke_session("stolen", false).unwrap();
        assert_eq!(
            (&json_of(&revoked)["decision"], &json_of(&revoked)["session"]["revoked"]["reason"]),
            (&"deny".into(), &"stolen".into())
        );
    }

    #[test]
    fn a_failed_login_changes_nothing_at_all() {
        let mut login = login();
        login.set_session_metadata("org_id", "org_1").unwrap();
        login.set_user_metadata("seen", "true").unwrap();
        login.set_transaction_metadata("step", Some(3.0.into())).unwrap();
        let failure = Failure::Rejected { code: "quota".into(), message: "too many".into() };
        let failed = (ActionId::new("gate", "0.1.0").unwrap(), failure);
        let json = json(&Outcome::new(&login, vec![report("gate")], Some(failed)));
        assert_eq!((&json["decision"], &json["error"]["code"]), (&"failed".into(), &"quota".into()));
        assert_eq!(json["session"]["metadata"], serde_json::json!({ "locale": "de" }));
        assert_eq!(json["session"]["metadata_changes"], serde_json::json!({}));
        assert_eq!(json["user"]["user_metadata"], serde_json::json!({}));
        assert_eq!(json["transaction"]["metadata"]["step"], 2.0);
    }
}

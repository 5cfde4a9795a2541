//! `event-authentication` and `event-authorization`: how the user has proved who they are, and what
//! they may do.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::parts::or_default;
use crate::Timestamp;
use crate::json::Object;

/// A method that was used in this session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Method {
    /// `pwd`, `federated`, `mfa`, or a URL for a method of the tenant's own.
    pub name: String,
    /// When it was used.
    pub timestamp: Timestamp,
    /// The kind of factor, for `mfa` alone.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// One assessment of the risk.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// `NewDevice`, for instance.
    pub name: String,
    /// `low`, `medium`, `high` or `neutral`.
    pub confidence: String,
    /// Why the confidence is what it is.
    pub code: String,
    /// A JSON object.
    pub details: Option<Value>,
}

/// How far the platform trusts this login.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskAssessment {
    /// `low`, `medium`, `high` or `neutral`.
    pub confidence: String,
    /// The version of the assessment's rules.
    pub version: String,
    /// Sorted by name.
    pub assessments: Vec<Assessment>,
}

/// How the user has proved who they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct Authentication {
    /// `event-authentication.methods`.
    #[serde(default, deserialize_with = "or_default")]
    pub methods: Vec<Method>,
    #[serde(default, rename = "riskAssessment")]
    risk_assessment: Option<Risk>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Risk {
    confidence: String,
    version: String,
    #[serde(default, deserialize_with = "or_default")]
    assessments: BTreeMap<String, RiskPart>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
struct RiskPart {
    confidence: String,
    code: String,
    #[serde(default)]
    details: Option<Object>,
}

impl Authentication {
    /// `event-authentication.risk`.
    pub fn risk(&self) -> Option<RiskAssessment> {
        let risk = self.risk_assessment.as_ref()?;
        let assessments = risk.assessments.iter().map(|(name, part)| Assessment {
            name: name.clone(),
            confidence: part.confidence.clone(),
            code: part.code.clone(),
            details: part.details.clone().map(Value::Object),
        });
        Some(RiskAssessment {
            confidence: risk.confidence.clone(),
            version: risk.version.clone(),
            assessments: assessments.collect(),
        })
    }
}

/// A group that the user is in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// A role that the user has, by themselves or by a group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Role {
    /// Its id; its name, where the event tells names alone.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// What the user may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct Authorization {
    /// `event-authorization.roles`.
    #[serde(default, deserialize_with = "or_default")]
    pub roles: Vec<String>,
    /// `groups.get-user-groups`. Auth0's event has no groups: this member is ours.
    #[serde(default, deserialize_with = "or_default")]
    pub groups: Vec<Group>,
    #[serde(default)]
    effective_roles: Option<Vec<Role>>,
}

impl Authorization {
    /// `groups.has-group-membership`: the groups that have one of these ids or names.
    pub fn group_membership(&self, groups: &[String]) -> Vec<Group> {
        self.groups.iter().filter(|group| groups.contains(&group.id) || groups.contains(&group.name)).cloned().collect()
    }

    /// `roles.get-user-effective-roles`. The event tells them in `effective_roles`, a member of
    /// ours, or else in `roles` by name.
    pub fn effective_roles(&self) -> Vec<Role> {
        match &self.effective_roles {
            Some(roles) => roles.clone(),
            None => self.roles.iter().map(|name| Role { id: name.clone(), name: name.clone(), description: None }).collect(),
        }
    }

    /// `roles.get-user-effective-roles-by-ids`.
    pub fn effective_roles_by_ids(&self, ids: &[String]) -> Vec<Role> {
        self.effective_roles().into_iter().filter(|role| ids.contains(&role.id)).collect()
    }

    /// `roles.get-user-effective-roles-by-names`.
    pub fn effective_roles_by_names(&self, names: &[String]) -> Vec<Role> {
        self.effective_roles().into_iter().filter(|role| names.contains(&role.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_event_tells_names_alone_a_roles_id_is_its_name() {
        let authorization = Authorization { roles: vec!["editor".into()], ..Authorization::default() };
        assert_eq!(authorization.effective_roles_by_ids(&["editor".into()]), authorization.effective_roles());
        let told: Authorization = serde_json::from_str(
            r#"{ "roles": ["editor"], "effective_roles": [{ "id": "rol_1", "name": "admin" }], "groups": [{ "id": "grp_1", "name": "staff" }] }"#,
        )
        .unwrap();
        assert_eq!(told.effective_roles_by_names(&["admin".into(), "editor".into()]).len(), 1);
        assert!(told.effective_roles_by_ids(&["admin".into()]).is_empty());
        assert_eq!(told.group_membership(&["staff".into(), "grp_1".into()]).len(), 1);
        assert!(told.group_membership(&["other".into()]).is_empty());
    }
}

//! `event-authentication` and `event-authorization`: how the user has proved who they are, and what they may do.

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

/// What the user may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct Authorization {
    /// `event-authorization.roles`.
    #[serde(default, deserialize_with = "or_default")]
    pub roles: Vec<String>,
}

//! How limits are declared: once, as a struct, its defaults, its maxima and its rows of the table.

use thiserror::Error;

/// What a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One run of one Action.
    Action,
    /// The Actions of one login together.
    Flow,
    /// One tenant's logins at one time.
    Tenant,
    /// The host as a whole, and the components that it loads.
    Host,
    /// One effect that an Action asks for: part of the contract.
    Effect,
}

impl Scope {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "Action",
            Self::Flow => "flow",
            Self::Tenant => "tenant",
            Self::Host => "host",
            Self::Effect => "effect",
        }
    }

    /// Who may change a limit of this scope, and how.
    pub fn raised_by(self) -> &'static str {
        match self {
            Self::Action => "the operator; a tenant's flow and a binding can lower it",
            Self::Flow => "the operator; a tenant's flow can lower it",
            Self::Tenant | Self::Host => "the operator",
            Self::Effect => "fixed: it is part of the contract",
        }
    }
}

/// One row of the table of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The limit's name, as errors and settings have it.
    pub name: &'static str,
    /// What it is for.
    pub scope: Scope,
    /// What is allowed, for people.
    pub allowed: String,
    /// How far an operator can raise it, for people.
    pub maximum: String,
    /// What is limited.
    pub what: &'static str,
    /// What happens beyond: an error's type, or words.
    pub beyond: &'static str,
}

impl Limit {
    /// The row of a table in Markdown: limit, scope, allowed, maximum, what, beyond.
    pub fn row(&self) -> String {
        let Self { name, scope, allowed, maximum, what, beyond } = self;
        format!("| `{name}` | {} | {allowed} | {maximum} | {what} | {beyond} |", scope.name())
    }
}

/// A limit that was set higher than is possible.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the limit `{name}` can't be {given}: at most {maximum} is possible")]
pub struct LimitTooHigh {
    /// Which limit.
    pub name: &'static str,
    /// What was given, for people.
    pub given: String,
    /// What is possible, for people.
    pub maximum: String,
}

/// Why a limit can't be set by its name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LimitError {
    /// There is no such limit here.
    #[error("there is no limit `{name}` here")]
    Unknown {
        /// What was named.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The amount is invalid for its unit.
    #[error("the limit `{name}` can't be {given:?}; write {example}")]
    Malformed {
        /// Which limit.
        name: &'static str,
        /// What was given.
        given: String,
        /// What can be given.
        example: &'static str,
    },
    /// It is higher than that of its tenant or its host, which it can only lower.
    #[error("the limit `{name}` can't be {given} here: at most {allowed}, which is allowed above it")]
    NotLower {
        /// Which limit.
        name: &'static str,
        /// What was given, for people.
        given: String,
        /// What is allowed above it, for people.
        allowed: String,
    },
    /// It is higher than is possible.
    #[error(transparent)]
    TooHigh(#[from] LimitTooHigh),
}

/// The type of a limit's amount.
macro_rules! amount {
    (time) => {
        std::time::Duration
    };
    ($other:ident) => {
        usize
    };
}

/// Declares a struct of limits. Each field: its unit (`time`, `bytes` or `number`), its default,
/// its maximum, what it limits, what happens beyond.
macro_rules! limits {
    (
        $(#[$doc:meta])*
        $name:ident of $scope:ident {
            $(
                $(#[$field_doc:meta])*
                $field:ident: $unit:ident = $default:expr, at most $maximum:expr; $what:literal, $beyond:literal;
            )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $crate::limits::table::amount!($unit),)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// These limits as rows of a table: what documentation and operators are shown.
            pub fn table(&self) -> Vec<$crate::limits::Limit> {
                vec![$($crate::limits::Limit {
                    name: stringify!($field),
                    scope: $crate::limits::Scope::$scope,
                    allowed: $crate::limits::amount::$unit(self.$field),
                    maximum: $crate::limits::amount::$unit($maximum),
                    what: $what,
                    beyond: $beyond,
                },)*]
            }

            /// Sets one of them by its name, from a text as a person writes it: `500 ms`, `64 MiB`,
            /// `20`.
            ///
            /// # Errors
            /// When there is no such limit, the text is no amount of its kind, or it is higher than
            /// is possible.
            pub fn set(&mut self, name: &str, amount: &str) -> Result<(), $crate::limits::LimitError> {
                match name {
                    $(stringify!($field) => {
                        let parsed = $crate::limits::amount::parse::$unit(amount).ok_or_else(|| {
                            let example = $crate::limits::amount::parse::example(stringify!($unit));
                            $crate::limits::LimitError::Malformed { name: stringify!($field), given: amount.to_owned(), example }
                        })?;
                        let limits = Self { $field: parsed, ..self.clone() };
                        limits.check()?;
                        *self = limits;
                        Ok(())
                    })*
                    _ => {
                        let known = vec![$(stringify!($field)),*];
                        Err($crate::limits::LimitError::Unknown { name: name.to_owned(), known })
                    }
                }
            }

            /// Sets one of them by its name, as [`set`](Self::set) does, where it can only lower
            /// one that stands above it: a tenant's a host's, a binding's a tenant's.
            ///
            /// # Errors
            /// As those of [`set`](Self::set), and when it is higher than the one above it.
            pub fn lower(&mut self, name: &str, amount: &str, above: &Self) -> Result<(), $crate::limits::LimitError> {
                let mut lowered = self.clone();
                lowered.set(name, amount)?;
                $(if lowered.$field > above.$field && name == stringify!($field) {
                    return Err($crate::limits::LimitError::NotLower {
                        name: stringify!($field),
                        given: $crate::limits::amount::$unit(lowered.$field),
                        allowed: $crate::limits::amount::$unit(above.$field),
                    });
                })*
                *self = lowered;
                Ok(())
            }

            /// Whether an operator can set these.
            ///
            /// # Errors
            /// When one of them is higher than is possible.
            pub fn check(&self) -> Result<(), $crate::limits::LimitTooHigh> {
                $(if self.$field > $maximum {
                    return Err($crate::limits::LimitTooHigh {
                        name: stringify!($field),
                        given: $crate::limits::amount::$unit(self.$field),
                        maximum: $crate::limits::amount::$unit($maximum),
                    });
                })*
                Ok(())
            }

            /// The lower of each two: what these may be where those stand above them.
            #[must_use]
            pub fn within(&self, above: &Self) -> Self {
                Self { $($field: self.$field.min(above.$field),)* }
            }
        }
    };
}

pub(super) use {amount, limits};

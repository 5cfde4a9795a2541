//! Our values in the spelling of the contract, so that they can be sent to an Action, and back.

use vestibule_model::contract::{self, Cross};

use crate::bindings::vestibule::actions;

macro_rules! cross {
    (
        records { $($module:ident $theirs:ident $ours:ident { $($field:ident)* })* }
        variants { $($place:ident $variant:ident { $($unit:ident)* ; $($case:ident)* })* }
    ) => {
        $(impl Cross<actions::$module::$theirs> for contract::$ours {
            fn cross(self) -> actions::$module::$theirs {
                actions::$module::$theirs { $($field: self.$field.cross()),* }
            }
        })*
        $(impl Cross<actions::$place::$variant> for contract::$variant {
            fn cross(self) -> actions::$place::$variant {
                match self {
                    $(Self::$unit => actions::$place::$variant::$unit,)*
                    $(Self::$case(value) => actions::$place::$variant::$case(value.cross()),)*
                }
            }
        })*
    };
}

vestibule_model::contract_types!(cross);

impl Cross<contract::CookieMode> for actions::types::CookieMode {
    fn cross(self) -> contract::CookieMode {
        match self {
            Self::Persistent => contract::CookieMode::Persistent,
            Self::NonPersistent => contract::CookieMode::NonPersistent,
        }
    }
}

impl Cross<contract::TransactionValue> for actions::types::TransactionValue {
    fn cross(self) -> contract::TransactionValue {
        match self {
            Self::Text(text) => contract::TransactionValue::Text(text),
            Self::Number(number) => contract::TransactionValue::Number(number),
            Self::Boolean(boolean) => contract::TransactionValue::Boolean(boolean),
        }
    }
}

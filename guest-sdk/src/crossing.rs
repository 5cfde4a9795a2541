//! What the host sends, in our spelling, and what we send in the contract's.

use vestibule_model::contract::{self, Cross};

use crate::bindings::vestibule::actions;

macro_rules! cross {
    (
        records { $($module:ident $theirs:ident $ours:ident { $($field:ident)* })* }
        variants { $($place:ident $variant:ident { $($unit:ident)* ; $($case:ident)* })* }
    ) => {
        $(impl Cross<contract::$ours> for actions::$module::$theirs {
            fn cross(self) -> contract::$ours {
                contract::$ours { $($field: self.$field.cross()),* }
            }
        })*
        $(impl Cross<contract::$variant> for actions::$place::$variant {
            fn cross(self) -> contract::$variant {
                match self {
                    $(Self::$unit => contract::$variant::$unit,)*
                    $(Self::$case(value) => contract::$variant::$case(value.cross()),)*
                }
            }
        })*
    };
}

vestibule_model::contract_types!(cross);

impl Cross<actions::types::CookieMode> for contract::CookieMode {
    fn cross(self) -> actions::types::CookieMode {
        match self {
            Self::Persistent => actions::types::CookieMode::Persistent,
            Self::NonPersistent => actions::types::CookieMode::NonPersistent,
        }
    }
}

impl Cross<actions::types::TransactionValue> for contract::TransactionValue {
    fn cross(self) -> actions::types::TransactionValue {
        match self {
            Self::Text(text) => actions::types::TransactionValue::Text(text),
            Self::Number(number) => actions::types::TransactionValue::Number(number),
            Self::Boolean(boolean) => actions::types::TransactionValue::Boolean(boolean),
        }
    }
}

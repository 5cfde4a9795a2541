//! Our values in the spelling of the contract, so that they can be sent to an Action, and back.

use vestibule_model::contract::{self, Cross};

use crate::contract::bindings::vestibule::actions;

macro_rules! cross {
    (
        records { $($module:ident $theirs:ident $ours:ident { $($field:ident)* })* }
        variants { $($place:ident $variant:ident { $($unit:ident)* ; $($case:ident)* })* }
        given { $($from:ident $given:ident { $($of_unit:ident)* ; $($of_case:ident)* })* }
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
        $(impl Cross<contract::$given> for actions::$from::$given {
            fn cross(self) -> contract::$given {
                match self {
                    $(Self::$of_unit => contract::$given::$of_unit,)*
                    $(Self::$of_case(value) => contract::$given::$of_case(value.cross()),)*
                }
            }
        })*
    };
}

vestibule_model::contract_types!(cross);

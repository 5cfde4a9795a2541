//! What the host sends, in our spelling, and what we send in the contract's.

use vestibule_model::contract::{self, Cross};

use crate::bindings::vestibule::actions;

macro_rules! cross {
    (
        records { $($module:ident $theirs:ident $ours:ident { $($field:ident)* })* }
        variants { $($place:ident $variant:ident { $($unit:ident)* ; $($case:ident)* })* }
        given { $($from:ident $given:ident { $($of_unit:ident)* ; $($of_case:ident)* })* }
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
        $(impl Cross<actions::$from::$given> for contract::$given {
            fn cross(self) -> actions::$from::$given {
                match self {
                    $(Self::$of_unit => actions::$from::$given::$of_unit,)*
                    $(Self::$of_case(value) => actions::$from::$given::$of_case(value.cross()),)*
                }
            }
        })*
    };
}

vestibule_model::contract_types!(cross);

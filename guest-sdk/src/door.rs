//! Two doors to one login: in WebAssembly the contract's imports, natively the login itself.

/// Asks for a fact: the contract's function, and beside it what the same function is natively.
macro_rules! read {
    ($interface:ident :: $function:ident ( $($argument:expr),* ), |$login:ident| $native:expr) => {{
        #[cfg(target_arch = "wasm32")]
        {
            use vestibule_model::contract::Cross;
            crate::bindings::vestibule::actions::$interface::$function($($argument),*).cross()
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            crate::native::with(|run| {
                let $login = &run.login;
                $native
            })
        }
    }};
}

/// Asks for an effect: the contract's function, and beside it what the same function is natively.
macro_rules! effect {
    ($interface:ident :: $function:ident ( $($argument:expr),* ), |$login:ident| $native:expr) => {{
        #[cfg(target_arch = "wasm32")]
        {
            use vestibule_model::contract::Cross;
            crate::bindings::vestibule::actions::$interface::$function($($argument),*).map(Cross::cross).map_err(Cross::cross)
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            crate::native::with(|run| {
                let $login = &mut run.login;
                $native
            })
        }
    }};
}

/// Asks for an effect that is never refused: the contract's function, and beside it what the same
/// function is natively.
macro_rules! ask {
    ($interface:ident :: $function:ident ( $($argument:expr),* ), |$login:ident| $native:expr) => {{
        #[cfg(target_arch = "wasm32")]
        {
            #[allow(unused_imports, reason = "some of what is given is the same in both spellings")]
            use vestibule_model::contract::Cross;
            crate::bindings::vestibule::actions::$interface::$function($($argument),*)
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            crate::native::with(|run| {
                let $login = &mut run.login;
                $native
            })
        }
    }};
}

pub(crate) use {ask, effect, read};

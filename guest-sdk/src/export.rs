//! How an Action becomes a component.

use crate::api::Api;
use crate::event::Event;
use crate::{Error, Result};

/// An Action that runs after a user has proved who they are, and before tokens are issued.
///
/// Make it a component with [`export!`](crate::export!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no Action",
    label = "this type does not implement `PostLogin`",
    note = "write `impl PostLogin for {Self}` with the function `on_execute_post_login`"
)]
pub trait PostLogin {
    /// Runs once for each login. An error fails the login, and nothing that its flow asked for is
    /// kept.
    ///
    /// # Errors
    /// Whatever is to fail the login.
    fn on_execute_post_login(event: &Event, api: &Api) -> Result;

    /// Runs instead when a login that this Action has suspended comes back.
    ///
    /// # Errors
    /// Whatever is to fail the login.
    fn on_continue_post_login(_event: &Event, _api: &Api) -> Result {
        Ok(())
    }
}

/// Makes a type that implements [`PostLogin`] the Action of this component. Call it once in a
/// crate.
///
/// In a native build it checks the type, and nothing else.
#[macro_export]
macro_rules! export {
    ($action:ty) => {
        // A second call is an error of the compiler, and not of the linker in its own words.
        #[doc(hidden)]
        mod __a_crate_exports_one_action {}

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::__private::bindings::Guest for Exported {
                fn on_execute_post_login() -> ::std::result::Result<(), ::std::string::String> {
                    $crate::__private::execute::<$action>()
                }

                fn on_continue_post_login() -> ::std::result::Result<(), ::std::string::String> {
                    $crate::__private::continued::<$action>()
                }
            }

    $crate::__private::bindings::export_post_login!(Exported with_types_in $crate::__private::bindings);
        };

        #[cfg(not(target_arch = "wasm32"))]
        const _: [fn() -> ::std::result::Result<(), ::std::string::String>; 2] =
            [$crate::__private::execute::<$action>, $crate::__private::continued::<$action>];
    };
}

#[doc(hidden)]
pub fn execute<A: PostLogin>() -> std::result::Result<(), String> {
    begin();
    // Called in a way that the compiler can't see through: the Action's function keeps its name in
    // traces and profiles.
    let action: fn(&Event, &Api) -> Result = std::hint::black_box(A::on_execute_post_login);
    action(&Event::here(), &Api::here()).map_err(Error::told)
}

#[doc(hidden)]
pub fn continued<A: PostLogin>() -> std::result::Result<(), String> {
    begin();
    A::on_continue_post_login(&Event::here(), &Api::here()).map_err(Error::told)
}

/// What comes before the Action's own code.
fn begin() {
    #[cfg(feature = "log")]
    crate::log_macros::install();
    #[cfg(feature = "tracing")]
    crate::tracing_macros::install();
}

//! Handles: the numbers by which a guest names what the host, or another part of it, holds for it.

use crate::components::{
    DROPS_A_HANDLE_TWICE, DROPS_A_STREAM_THAT_IS_WAITED_FOR, INVENTS_A_HANDLE, KEEPS_A_BORROW, USES_A_DROPPED_HANDLE,
    USES_A_HANDLE_OF_ANOTHER_TYPE,
};
use crate::host::Host;

#[tokio::test]
pub(crate) async fn a_handle_that_is_not_there_breaks_off() {
    let host = Host::new();
    for component in [DROPS_A_HANDLE_TWICE, USES_A_DROPPED_HANDLE, INVENTS_A_HANDLE] {
        host.breaks_off(component, "unknown handle index").await;
    }
}

#[tokio::test]
pub(crate) async fn a_handle_of_another_type_breaks_off() {
    Host::new().breaks_off(USES_A_HANDLE_OF_ANOTHER_TYPE, "type").await;
}

#[tokio::test]
pub(crate) async fn a_borrow_that_is_kept_breaks_off() {
    Host::new().breaks_off(KEEPS_A_BORROW, "borrow handles still remain at the end of the call").await;
}

#[tokio::test]
pub(crate) async fn a_stream_that_is_waited_for_can_not_be_dropped() {
    Host::new().breaks_off(DROPS_A_STREAM_THAT_IS_WAITED_FOR, "children").await;
}

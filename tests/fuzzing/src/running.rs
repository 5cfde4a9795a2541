//! Running: whatever a component does, its run ends in an outcome, and the next login doesn't feel
//! it.

use arbitrary::Unstructured;
use vestibule_test_artifacts as artifacts;

use crate::host::Host;
use crate::{Reached, components, edits, loading, outcome};

/// Actions that variants are made of: small ones, of which three are hostile already. A large one
/// would take its time to compile.
const REAL: [&[u8]; 6] = [
    artifacts::ORGANIZATION_SESSION_METADATA,
    artifacts::LOGIN_COUNTER,
    artifacts::COUNTS_IN_THE_CACHE,
    artifacts::GROWS_MEMORY,
    artifacts::FLOODS_THE_LOG,
    artifacts::PANICS,
];

/// A component that the input describes, loaded and run: one that `wasm-smith` makes, an Action
/// around a core module of `wasm-smith`, or a real Action with edits.
pub fn run_component(input: &[u8]) -> Reached {
    let mut input = Unstructured::new(input);
    let component = match input.arbitrary::<u8>().map(|shape| shape % 8) {
        Ok(0) => components::any(&mut input),
        Ok(1..=4) => components::action(&mut input).map(|action| action.component),
        Ok(_) => input.choose(&REAL).ok().map(|real| edits::edited(real, &[], &mut input)),
        Err(_) => None,
    };
    let Some(component) = component else { return Reached::Refused };
    let host = Host::shared();
    let reached = match loading::load(&component) {
        Ok(action) => {
            outcome::check(&host.login(action, &host.event), &host.event, &host.limits);
            Reached::Accepted
        }
        Err(_) => Reached::Refused,
    };
    host.an_honest_login_is_right();
    reached
}

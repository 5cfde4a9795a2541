//! What `deploy` and `apply` do alike: a component becomes a draft, and the draft a version that
//! logins run.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::remote::shapes::{Action, Answered, Version};
use crate::remote::{Refusal, Remote};
use crate::table::printable;

/// A component's SHA-256, as servers tell it.
pub(crate) fn sha256(component: &[u8]) -> String {
    Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it begins as WebAssembly does: what is a text or a picture makes no Action and no plan.
///
/// # Errors
/// When it doesn't: by the name that the person knows it by.
pub(crate) fn looks_like_a_component(component: &[u8], name: &str) -> Result<()> {
    if !component.starts_with(b"\0asm") {
        bail!("{name} is not a WebAssembly component, and nothing was deployed; `vestibule build` makes one");
    }
    Ok(())
}

/// Uploads a component as an Action's draft and waits until it is built. `None` where the draft is
/// this component already.
///
/// # Errors
/// When it could not be built: with what is wrong with it.
pub(crate) fn upload(remote: &Remote, action: &Action, component: &Bytes) -> Result<Option<Answered<Action>>> {
    if action.has_built(&sha256(component)) {
        return Ok(None);
    }
    let built = remote.upload(action, component.clone())?;
    if built.status.as_deref() != Some("built") {
        let errors: Vec<String> = built.errors.iter().map(|error| format!("\n    {}", printable(&error.msg))).collect();
        let status = match built.status.as_deref() {
            Some("failed") | None => "can't be built".to_owned(),
            Some(other) => format!("is {} still", printable(other)),
        };
        bail!("the component of {} {status}, and nothing was deployed{}", action.name, errors.concat());
    }
    Ok(Some(built))
}

/// Runs an Action's draft, which is this component, in logins from now on.
pub(crate) fn deploy(remote: &Remote, action: &Action, sha256: &str, accept_capabilities: bool) -> Result<Answered<Version>> {
    remote.deploy(&action.id, sha256, accept_capabilities).map_err(|error| refused(error, &action.name, remote.tenant().as_str()))
}

/// Says what to do about a deployment that the server refuses.
pub(crate) fn refused(error: anyhow::Error, action: &str, tenant: &str) -> anyhow::Error {
    let Some(refusal) = error.downcast_ref::<Refusal>() else { return error };
    let help = match refusal.code.as_str() {
        "capabilities_not_accepted" => "--accept-capabilities lets it see and do this as well".to_owned(),
        "capabilities_refused" => format!("`vestibule policy show --tenant {tenant}` shows who may"),
        "requests_not_allowed" => format!("`vestibule actions set {action} --allow ORIGIN --tenant {tenant}`"),
        "overtaken" => "somebody else has changed it meanwhile: see `vestibule actions show`, and run this again".to_owned(),
        _ if Refusal::leaves_open(&error) => {
            let help = format!("`vestibule actions show {action} --tenant {tenant}` shows what runs; run this again");
            return anyhow!("{action} may be deployed: {refusal}\n  help: {help}");
        }
        _ => return anyhow!("{action} was not deployed: {refusal}"),
    };
    anyhow!("{action} was not deployed: {refusal}\n  help: {help}")
}

/// Tells a step that is done on standard error, as building does.
pub(crate) fn told(done: &str, what: &str, took: Duration) {
    eprintln!("{done:>11} {:<60} {:>7}", printable(what), duration(took));
}

/// A time that is not over yet.
pub(crate) fn timed<T>(do_it: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let started = Instant::now();
    let done = do_it()?;
    Ok((done, started.elapsed()))
}

fn duration(took: Duration) -> String {
    match took.as_millis() {
        milliseconds @ ..1_000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str) -> anyhow::Error {
        let capabilities = vec!["event-user.email".to_owned()];
        Refusal { status: 409, code: code.into(), message: "it asks for more".into(), capabilities, wait: None }.into()
    }

    #[test]
    fn a_refused_deployment_says_what_to_do() {
        let told = |code: &str| refused(refusal(code), "gate", "acme").to_string();
        let shown = told("capabilities_not_accepted");
        assert!(
            shown.contains("gate was not deployed") && shown.contains("\n    event-user.email\n  help: --accept-"),
            "{shown}"
        );
        assert!(told("capabilities_refused").contains("vestibule policy show --tenant acme"));
        assert!(!told("not_built").contains("help"));
        let shown = told("not_live_yet");
        assert!(shown.contains("gate may be deployed") && shown.contains("vestibule actions show gate"), "{shown}");
    }

    #[test]
    fn a_digest_is_64_hex_digits() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_short_time_is_told_in_milliseconds() {
        assert_eq!(duration(Duration::from_millis(42)), "42 ms");
        assert_eq!(duration(Duration::from_millis(1_240)), "1.2 s");
    }
}

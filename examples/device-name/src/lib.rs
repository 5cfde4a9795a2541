//! Names the device of a session in its metadata, from the browser's `User-Agent` header, shortened
//! to what an entry can hold.

use unicode_segmentation::UnicodeSegmentation;
use vestibule_sdk::{Api, Event, PostLogin, Result};

/// The characters that an entry of session metadata can hold.
const LONGEST: usize = 255;

/// What stands in a `User-Agent`, and what people call it. The first that is found counts: browsers
/// name others that they resemble.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
];

struct DeviceName;

impl PostLogin for DeviceName {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        if let Some(user_agent) = event.request().user_agent() {
            api.session().set_metadata("device_name", &name(&user_agent))?;
        }
        Ok(())
    }
}

/// "Firefox on Linux"; an unknown `User-Agent` as it is, shortened.
fn name(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| names.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => shortened(user_agent),
    }
}

/// The text, or as much of its beginning as an entry holds with an ellipsis. What a person sees as
/// one character is never cut in two.
fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut length = 0;
    for grapheme in text.graphemes(true) {
        length += grapheme.chars().count();
        if length >= LONGEST {
            break;
        }
        short.push_str(grapheme);
    }
    short + "…"
}

vestibule_sdk::export!(DeviceName);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    fn device_name(user_agent: &str) -> Option<String> {
        let outcome = Login::new().with(json!({ "request": { "user_agent": user_agent } })).run::<DeviceName>();
        assert!(outcome.is_allowed(), "{:?}", outcome.failed());
        outcome.session.metadata.get("device_name").map(str::to_owned)
    }

    #[test]
    fn common_browsers_have_the_names_that_people_know() {
        let agents = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
        ];
        for (agent, name) in agents {
            assert_eq!(device_name(agent).as_deref(), Some(name));
        }
    }

    #[test]
    fn an_unknown_one_is_shortened_to_what_an_entry_holds() {
        assert_eq!(device_name("acme-cli/1.0").as_deref(), Some("acme-cli/1.0"));
        let name = device_name(&"x".repeat(300)).expect("a name");
        assert_eq!((name.chars().count(), name.ends_with('…')), (255, true));
        // A family is seven characters that are seen as one: it stays whole, or is left out.
        let name = device_name(&"👨‍👩‍👧‍👦".repeat(40)).expect("a name");
        assert!(name.chars().count() <= 255 && name.ends_with("👦…"), "{name}");
    }

    #[test]
    fn without_a_header_there_is_no_name() {
        assert_eq!(Login::new().run::<DeviceName>().session.metadata.get("device_name"), None);
    }
}

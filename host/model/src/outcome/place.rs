//! Where in an Action's source something happened: what its author looks for first.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The longest name of a file that is taken for one, in bytes.
const LONGEST_FILE: usize = 1_024;

/// A place in an Action's source. As text it is `FILE:LINE:COLUMN`, as compilers write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as its path was given to the compiler.
    pub file: String,
    /// The line, from one.
    pub line: u32,
    /// The column, from one, where it is known.
    pub column: Option<u32>,
}

impl Place {
    /// Reads `FILE:LINE:COLUMN`.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, column) = text.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        let is_file = !file.is_empty() && file.len() <= LONGEST_FILE && !file.contains(char::is_control);
        Some(Self { file: is_file.then(|| file.to_owned())?, line: line.parse().ok()?, column: Some(column.parse().ok()?) })
    }

    /// An Action's error, parted from the place that its last line may tell, `at FILE:LINE:COLUMN`.
    /// The contract lets every SDK say in this way where an error comes from.
    pub fn part(message: &str) -> (String, Option<Self>) {
        let last_line = message.rsplit_once('\n');
        let place = last_line.and_then(|(rest, last)| Some((rest, Self::parse(last.trim_start().strip_prefix("at ")?)?)));
        place.map_or_else(|| (message.to_owned(), None), |(rest, place)| (rest.to_owned(), Some(place)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One function of an Action that was running when it broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's index in the Action's core module: with the symbols that were kept when it
    /// was built, it can be read later.
    pub index: u32,
    /// How far into the function, in bytes of its code.
    pub offset: u32,
    /// The function's name, where the component tells it.
    pub function: Option<String>,
    /// The place in its source, where the component tells it.
    pub place: Option<Place>,
}

/// Where sources lie that are not the Action's own: Rust's standard library, C's, crates of a
/// registry or a repository, and the SDK.
const FOREIGN: [&str; 6] = ["/rustc/", "/library/std/", "wasi-libc", "/.cargo/registry/", "/.cargo/git/", "guest-sdk/src/"];

/// What `export!` makes stands in the author's file, and is not theirs.
const EXPORTED: &str = "export_on_";

impl Frame {
    /// Whether this is the Action's own code, as far as its file's name tells.
    pub fn is_own(&self) -> bool {
        let is_exported = self.function.as_ref().is_some_and(|function| function.contains(EXPORTED));
        !is_exported && self.place.as_ref().is_some_and(|place| !FOREIGN.iter().any(|part| place.file.contains(part)))
    }

    /// Which function and where in it, in a form that `vestibule trace` reads: `func[12]+0x34`.
    pub fn code(&self) -> String {
        format!("func[{}]+{:#x}", self.index, self.offset)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => f.write_str(&self.code())?,
        }
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " at {place}"))
    }
}

impl Serialize for Frame {
    /// `{code}`, with `function` and `place` where they are known.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("code", &self.code())?;
        if let Some(function) = &self.function {
            fields.serialize_entry("function", function)?;
        }
        if let Some(place) = &self.place {
            fields.serialize_entry("place", place)?;
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str) -> Place {
        Place { file: file.into(), line: 14, column: Some(9) }
    }

    #[test]
    fn an_errors_last_line_may_say_where_it_comes_from() {
        let told = Place::part("no such department\n    at src/lib.rs:14:9");
        assert_eq!(told, ("no such department".to_owned(), Some(place("src/lib.rs"))));
        for message in ["no such department", "at src/lib.rs:14:9", "a\nat noon", "a\nat b:c:d", "a\nat :1:2", ""] {
            assert_eq!(Place::part(message), (message.to_owned(), None), "{message:?}");
        }
    }

    #[test]
    fn the_actions_own_frames_are_recognised() {
        let frame = |file: &str| Frame { index: 1, offset: 2, function: None, place: Some(place(file)) };
        assert!(frame("examples/device-name/src/lib.rs").is_own());
        assert!(frame("/home/author/gate/src/lib.rs").is_own());
        for file in
            ["/rustc/0123/library/core/src/option.rs", "/home/author/.cargo/registry/src/x/y/lib.rs", "guest-sdk/src/export.rs"]
        {
            assert!(!frame(file).is_own(), "{file}");
        }
        assert_eq!(Frame { place: None, ..frame("x") }.to_string(), "func[1]+0x2");
    }
}

//! Texts of others, as a person may be shown them.

/// A text that somebody else has a part in, a component's or a member's name for instance, as one line that a terminal shows and doesn't
/// obey: with control characters as escapes.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

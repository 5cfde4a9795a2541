//! Texts of tenants and authors, in a form that a terminal or a log viewer shows as one line.

/// A text that a tenant or an author has chosen, as one line: each character that would change how
/// a terminal shows the text around it ([`is_escaped`]) is replaced by its escape.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether a character changes how the text around it is shown: control characters, line and
/// paragraph separators, the controls of the bidirectional algorithm (Unicode UAX #9, section 2),
/// the byte order mark, and the invisible tag characters (U+E0000 to U+E007F).
///
/// The joiners U+200C and U+200D stay, since names in several scripts need them.
pub fn is_escaped(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_changes_how_its_neighbours_are_shown() {
        assert_eq!(one_line("a\nb\u{1b}[2Jc"), "a\\nb\\u{1b}[2Jc");
        assert_eq!(one_line("\u{202e}cod.exe\u{2066}\u{2028}"), "\\u{202e}cod.exe\\u{2066}\\u{2028}");
        assert_eq!(one_line("\u{e0041}\u{feff}"), "\\u{e0041}\\u{feff}");
    }

    #[test]
    fn text_of_any_script_stays_as_it_is() {
        for text in ["Ünïcode – “quotes”", "שלום", "نامه\u{200c}ای", "👩\u{200d}🚀", "組織"] {
            assert_eq!(one_line(text), text);
        }
    }
}

//! Reading a table of TOML member by member. What is wrong is gathered, so that a person is told
//! all of it at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{self, Mistake};

/// The file that is read, and what is wrong with it so far.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, mistakes: RefCell::default() }
    }

    pub(super) fn mistake(&self, span: &Range<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        let mistake = mistake::at(self.file, self.text, span.start, what.into(), remedy.into());
        self.mistakes.borrow_mut().push(mistake);
    }

    /// All that is wrong, in the order of the file.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        mistakes
    }

    /// A path of the file, which counts from the file's own folder.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// Something that was read, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table that is being read.
pub(super) struct Section<'s> {
    pub(super) source: &'s Source<'s>,
    /// What it is called in the file; empty for the file itself.
    name: String,
    table: &'s DeTable<'s>,
    pub(super) span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'s> Section<'s> {
    pub(super) fn new(source: &'s Source<'s>, name: String, table: &'s DeTable<'s>, span: Range<usize>) -> Self {
        Self { source, name, table, span, asked: RefCell::default() }
    }

    /// What a member of it is called.
    fn called(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn member(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.source.mistake(&value.span(), format!("`{}` is {}, and {wanted} is expected", self.called(key), a(found)), "");
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<Read<&'s str>> {
        let value = self.member(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a string");
        }
        Some(Read { value: text?, span: value.span() })
    }

    /// A text that is something. What is wrong with it is told in the words of its type.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<Read<T>> {
        let text = self.text(key)?;
        self.parse(key, &text)
    }

    fn parse<T: FromStr<Err: Display>>(&self, key: &str, text: &Read<&str>) -> Option<Read<T>> {
        match text.value.parse() {
            Ok(value) => Some(Read { value, span: text.span.clone() }),
            Err(error) => {
                self.source.mistake(&text.span, format!("`{}`: {error}", self.called(key)), "");
                None
            }
        }
    }

    /// A text that has to be there.
    pub(super) fn required<T: FromStr<Err: Display>>(&self, key: &'static str, remedy: &str) -> Option<Read<T>> {
        if !self.table.contains_key(key) {
            self.missing(key, remedy);
        }
        self.parsed(key)
    }

    /// Says that a member is missing.
    pub(super) fn missing(&self, key: &'static str, remedy: &str) {
        let here = if self.name.is_empty() { "the configuration".to_owned() } else { format!("`{}`", self.name) };
        self.source.mistake(&self.span, format!("{here} has no `{key}`"), remedy);
    }

    /// Whether there is such a member, whatever it is.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whatever stands there, as JSON.
    pub(super) fn json(&self, key: &'static str) -> Option<Read<serde_json::Value>> {
        let value = self.member(key)?;
        Some(Read { value: json(value.get_ref()), span: value.span() })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.member(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        flag
    }

    /// A number that is no less than nought.
    pub(super) fn number(&self, key: &'static str) -> Option<Read<u64>> {
        let value = self.member(key)?;
        let number = value.get_ref().as_integer().and_then(|number| {
            let digits = number.as_str().replace('_', "");
            u64::from_str_radix(digits.trim_start_matches('+'), number.radix()).ok()
        });
        if number.is_none() {
            self.wrong_type(key, value, "a number that is not below nought");
        }
        Some(Read { value: number?, span: value.span() })
    }

    /// As it stands in the file where it is a text or a number.
    pub(super) fn amount(&self, key: &'static str) -> Option<Read<String>> {
        let value = self.member(key)?;
        Member { section: self, key, value }.amount()
    }

    /// Texts in an array, each of which is something.
    pub(super) fn list<T: FromStr<Err: Display>>(&self, key: &'static str) -> Vec<Read<T>> {
        let Some(value) = self.member(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "an array of strings");
            return Vec::new();
        };
        let texts = array.iter().filter_map(|item| match item.get_ref().as_str() {
            Some(text) => Some(Read { value: text, span: item.span() }),
            None => {
                self.wrong_type(key, item, "a string");
                None
            }
        });
        texts.filter_map(|text| self.parse(key, &text)).collect()
    }

    /// A table in this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'s>> {
        let value = self.member(key)?;
        self.table_of(key, self.called(key), value)
    }

    fn table_of(&self, key: &str, name: String, value: &'s Spanned<DeValue<'s>>) -> Option<Section<'s>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(key, value, "a table");
        }
        Some(Section::new(self.source, name, table?, value.span()))
    }

    /// Tables of an array in this one, in their order.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'s>> {
        let Some(value) = self.member(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "an array of tables");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.table_of(key, self.called(key), item)).collect()
    }

    /// All members, whatever they are called: for tables whose keys are names that a person has
    /// chosen.
    pub(super) fn members(&self) -> impl Iterator<Item = (Read<&'s str>, Member<'_, 's>)> {
        self.table.iter().map(|(key, value)| {
            let name = Read { value: key.get_ref().as_ref(), span: key.span() };
            (name, Member { section: self, key: key.get_ref().as_ref(), value })
        })
    }

    /// Says which members nobody has asked for: to be called at the end.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let closest = asked.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
            let remedy = match closest {
                Some(closest) if strsim::jaro(closest, name) > 0.8 => format!("is it `{closest}`?"),
                _ => {
                    let mut known = asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("known here: {}", known.join(", "))
                }
            };
            self.source.mistake(&key.span(), format!("`{}` is not known", self.called(name)), remedy);
        }
    }
}

/// A member of a table whose keys are chosen by a person.
pub(super) struct Member<'r, 's> {
    section: &'r Section<'s>,
    key: &'s str,
    value: &'s Spanned<DeValue<'s>>,
}

impl<'s> Member<'_, 's> {
    /// As a table.
    pub(super) fn section(&self) -> Option<Section<'s>> {
        self.section.table_of(self.key, self.section.called(self.key), self.value)
    }

    /// As a text.
    pub(super) fn text(&self) -> Option<Read<&'s str>> {
        let text = self.value.get_ref().as_str();
        if text.is_none() {
            self.section.wrong_type(self.key, self.value, "a string");
        }
        Some(Read { value: text?, span: self.value.span() })
    }

    /// Whatever stands there, as JSON.
    pub(super) fn json(&self) -> Read<serde_json::Value> {
        Read { value: json(self.value.get_ref()), span: self.value.span() }
    }

    /// As it stands in the file where it is a text or a number.
    pub(super) fn amount(&self) -> Option<Read<String>> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.as_str().replace('_', "")),
            _ => None,
        };
        if text.is_none() {
            self.section.wrong_type(self.key, self.value, "a number, or a string with a unit");
        }
        Some(Read { value: text?, span: self.value.span() })
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).map_or(serde_json::Value::Null, Into::into)
        }
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().map_or(serde_json::Value::Null, Into::into),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let members = table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
            serde_json::Value::Object(members.collect())
        }
    }
}

/// A type's name with its article.
fn a(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

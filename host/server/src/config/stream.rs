//! Streams: where a tenant's log is sent to, entry by entry.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;
use url::Url;
use vestibule::http::{Connector, Origin};
use vestibule::model::TenantId;
use vestibule_sessions::LogKind;

use super::host::exists;
use super::reference::Reference;
use super::section::{Read, Section};
use crate::post::Unreached;

/// A stream of a tenant's log.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Its name, by which the store keeps how far it was sent.
    pub name: StreamName,
    /// Which kinds of entries are sent.
    pub kinds: Vec<LogKind>,
    /// Where to.
    pub target: StreamTarget,
    /// Where it stands in the configuration, for whoever has to mend it: the line.
    pub line: usize,
}

/// Where a stream goes.
#[derive(Clone, Debug)]
pub enum StreamTarget {
    /// To a URL, signed as Standard Webhooks has it.
    Webhook {
        /// The URL.
        url: Url,
        /// Where the secret is that signs: `whsec_` and base64.
        secret: Reference,
        /// Where the one is that signed before, for as long as receivers are to be asked to know
        /// either.
        old_secret: Option<Reference>,
    },
    /// Into a file of this machine, a line of JSON for each entry.
    File(StreamFile),
}

/// A file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFile {
    /// Its folder, which is there.
    pub folder: PathBuf,
    /// Its name in it. Those that are full have a number behind it.
    pub name: String,
    /// It never has more bytes than these, unless one line alone has.
    pub most_bytes: u64,
    /// So many that are full are kept.
    pub keep: u32,
}

/// A stream's name: 1 to 64 lower-case letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Box<str>);

/// A text that is no stream's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a stream's name: 1 to 64 lower-case letters, digits and `-`")]
pub struct StreamNameError;

impl StreamName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, StreamNameError> {
        let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_right) { Ok(Self(text.into())) } else { Err(StreamNameError) }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The code of a kind of log entries.
struct Code(LogKind);

#[derive(Debug, Error)]
#[error("not a type of log entries: `s`, `f`, `slo`, `sslo`, `fslo`")]
struct CodeError;

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(code: &str) -> Result<Self, CodeError> {
        LogKind::from_code(code).map(Self).ok_or(CodeError)
    }
}

const MOST_BYTES: u64 = 64 << 20;
const KEEP: u32 = 5;
/// More files than anybody looks through.
const MOST_KEPT: u64 = 1_000;

/// Whose each file is, of all tenants.
pub(super) type Files = BTreeMap<PathBuf, (TenantId, StreamName)>;

pub(super) fn streams(
    tenant: &Section<'_>,
    id: &TenantId,
    connector: Option<&Connector>,
    files: &mut Files,
) -> Vec<StreamSettings> {
    let mut known: Vec<StreamName> = Vec::new();
    let streams = tenant.sections("streams").into_iter().filter_map(|stream| {
        let name = stream.required::<StreamName>("name", "write a name, by which the store keeps how far the stream was sent");
        if let Some(name) = &name {
            if known.contains(&name.value) {
                let remedy = "give it another name: how far a stream was sent is kept by its name";
                stream.source.mistake(&name.span, format!("the stream {} is there twice", name.value), remedy);
            }
            known.push(name.value.clone());
        }
        let kinds = kinds(&stream);
        let webhook = stream.section("webhook");
        let file = stream.section("file");
        let target = match (&webhook, &file) {
            (Some(webhook), None) => webhook_target(webhook, connector),
            (None, Some(file)) => file_target(file, id, name.as_ref(), files).map(StreamTarget::File),
            _ => {
                let remedy =
                    "write one of `webhook = { url = \"https://…\", secret = { env = \"NAME\" } }` and `file = { path = \"…\" }`";
                stream.source.mistake(&stream.span, "a stream goes to one place", remedy);
                None
            }
        };
        stream.finish();
        let (line, _) = super::mistake::place(stream.source.text, stream.span.start);
        Some(StreamSettings { name: name?.value, kinds, target: target?, line })
    });
    streams.collect()
}

fn kinds(stream: &Section<'_>) -> Vec<LogKind> {
    let Some(given) = stream.json("types") else { return LogKind::ALL.to_vec() };
    let kinds: Vec<LogKind> = stream.list::<Code>("types").into_iter().map(|code| code.value.0).collect();
    if given.value.as_array().is_some_and(Vec::is_empty) {
        stream.source.mistake(&given.span, "`types` names none", "name some, or leave `types` out: then all are sent");
    }
    kinds
}

/// None only where a mistake has been told.
fn webhook_target(webhook: &Section<'_>, connector: Option<&Connector>) -> Option<StreamTarget> {
    let url = webhook.required::<Url>("url", "write where entries are sent: `url = \"https://siem.example.com/vestibule\"`");
    let url = url.filter(|url| match check(&url.value, connector) {
        Ok(()) => true,
        Err(reason) => {
            let remedy = "https, and public; `logout.allowed_networks` says which others are possible";
            webhook.source.mistake(&url.span, format!("the webhook's `url`: {reason}"), remedy);
            false
        }
    });
    if !webhook.has("secret") {
        webhook.missing("secret", "write where the secret is that signs: { env = \"NAME\" } or { file = \"PATH\" }");
    }
    let secret = webhook.section("secret").and_then(|secret| Reference::read(&secret));
    let old_secret = webhook.section("old_secret").and_then(|secret| Reference::read(&secret));
    webhook.finish();
    Some(StreamTarget::Webhook { url: url?.value, secret: secret?, old_secret })
}

/// What can be said of a URL before its host's name is resolved, which is done, and looked at,
/// whenever a connection is made.
fn check(url: &Url, connector: Option<&Connector>) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("it has a user, a password or a fragment (`#…`)".to_owned());
    }
    let origin = Origin::parse(&receiver(url)).map_err(|error| error.to_string())?;
    connector.map_or(Ok(()), |connector| connector.check(&origin).map_err(|error| Unreached(&error).to_string()))
}

/// Who is behind a URL: its origin with its port.
pub(crate) fn receiver(url: &Url) -> String {
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// None only where a mistake has been told.
fn file_target(
    file: &Section<'_>,
    tenant: &TenantId,
    stream: Option<&Read<StreamName>>,
    files: &mut Files,
) -> Option<StreamFile> {
    let path = file.required::<String>("path", "write the file's path: `path = \"acme.jsonl\"`");
    let most_bytes = match file.amount("most_bytes") {
        None => MOST_BYTES,
        Some(amount) => match vestibule::limits::bytes(&amount.value) {
            Some(bytes) if bytes > 0 => bytes as u64,
            _ => {
                let what = format!("`most_bytes` can't be {:?}", amount.value);
                file.source.mistake(&amount.span, what, "write bytes, with or without a unit: `64 MiB`, `512 KiB`, `4096`");
                MOST_BYTES
            }
        },
    };
    let keep = match file.number("keep") {
        None => KEEP,
        Some(keep) => u32::try_from(keep.value).ok().filter(|_| (1..=MOST_KEPT).contains(&keep.value)).unwrap_or_else(|| {
            file.source.mistake(&keep.span, format!("`keep` is a number from 1 to {MOST_KEPT}"), "");
            KEEP
        }),
    };
    file.finish();
    let path = path?;
    let found = file.source.path(&path.value);
    let (Some(name), Some(folder)) = (found.file_name().and_then(|name| name.to_str()), found.parent()) else {
        file.source.mistake(&path.span, format!("{} is no file's path", found.display()), "write the file's path: `acme.jsonl`");
        return None;
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    exists(file, folder, &path.span);
    // One file may have many spellings.
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name);
    let taken = files.iter().find(|(other, _)| is_one_of(other, &whole) || is_one_of(&whole, other));
    if let Some((_, (other, of))) = taken {
        let what = format!("{} is a file of the stream {of} of tenant {other} already", found.display());
        file.source.mistake(&path.span, what, "a file, and those with a number behind its name, are one stream's");
    } else if let Some(stream) = stream {
        files.insert(whole, (tenant.clone(), stream.value.clone()));
    }
    Some(StreamFile { folder: folder.to_owned(), name: name.to_owned(), most_bytes, keep })
}

/// Whether a path is this file's, or that of one that was full.
fn is_one_of(path: &Path, file: &Path) -> bool {
    let rest = path.to_str().zip(file.to_str()).and_then(|(path, file)| path.strip_prefix(file));
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u32>().is_ok()))
}

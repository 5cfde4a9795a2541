//! The folder's files: read and written by a handle of the folder, so that no name in it leads out.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::manifest::Manifest;

const MANIFEST: &str = "actions.toml";
const COMPONENTS: &str = "components";
/// The largest component that is read, 64 MiB: more than any server takes.
const LARGEST: u64 = 64 << 20;
/// The largest manifest that is read, 16 MiB.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// What the folder has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folder {
    pub(crate) manifest: Manifest,
    /// By the Action's name.
    pub(crate) components: BTreeMap<String, Bytes>,
}

/// Where an Action's component is written.
pub(crate) fn component_file(action: &str) -> String {
    format!("{COMPONENTS}/{}", file_name(action))
}

/// The name of the file of an Action's component. Characters of the Action's name that a file can't
/// have on every system are percent-encoded, so that no two Actions have one file.
fn file_name(action: &str) -> String {
    let mut name = String::new();
    for character in action.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.') {
            name.push(character);
        } else {
            let mut bytes = [0; 4];
            name.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    name + ".wasm"
}

impl Folder {
    /// Reads all of it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let folder =
            Dir::open_ambient_dir(path, ambient_authority()).with_context(|| format!("can't open {}", path.display()))?;
        let file = path.join(MANIFEST);
        let text = bytes(&folder, MANIFEST, LARGEST_MANIFEST)
            .and_then(|bytes| Ok(String::from_utf8(bytes)?))
            .with_context(|| format!("can't read {}; `vestibule export` writes one", file.display()))?;
        let manifest = Manifest::parse(&text).with_context(|| format!("{} is wrong", file.display()))?;
        let mut components = BTreeMap::new();
        for (name, entry) in &manifest.actions {
            if let Some(component) = &entry.component {
                let bytes = bytes(&folder, component, LARGEST)
                    .with_context(|| format!("can't read {component}, the component of {name}"))?;
                components.insert(name.clone(), bytes.into());
            }
        }
        Ok(Self { manifest, components })
    }

    /// Writes all of it. What an earlier one has left and this one doesn't have goes.
    ///
    /// # Errors
    /// When something else is in the folder than an earlier one.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        self.try_write(path).with_context(|| format!("can't write the folder {}", path.display()))
    }

    fn try_write(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path)?;
        let folder = Dir::open_ambient_dir(path, ambient_authority())?;
        let is_ours = folder.exists(MANIFEST);
        let is_empty = |entry: std::io::Result<cap_std::fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().starts_with('.'))
        };
        if !is_ours && !folder.entries()?.map(is_empty).collect::<std::io::Result<Vec<_>>>()?.into_iter().all(|hidden| hidden) {
            bail!("it has other things in it, and no {MANIFEST}; choose another");
        }
        folder.create_dir_all(COMPONENTS)?;
        let components = folder.open_dir(COMPONENTS)?;
        // What stands there besides is somebody's: the symbols of a component that was built there,
        // for instance.
        let before = folder.read_to_string(MANIFEST).ok().and_then(|text| Manifest::parse(&text).ok()).unwrap_or_default();
        for (name, entry) in &before.actions {
            let is_ours = entry.component.as_ref().is_some_and(|file| *file == component_file(name));
            if is_ours && !self.components.contains_key(name) {
                remove(&components, &file_name(name))?;
            }
        }
        for (name, bytes) in &self.components {
            replace(&components, &file_name(name), bytes)?;
        }
        replace(&folder, MANIFEST, self.manifest.text()?.as_bytes())?;
        Ok(())
    }
}

fn bytes(folder: &Dir, name: &str, largest: u64) -> Result<Vec<u8>> {
    // To open a FIFO waits until another process writes to it.
    if !folder.metadata(name)?.is_file() {
        bail!("it is not a file");
    }
    let mut bytes = Vec::new();
    folder.open(name)?.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        bail!("it has more than {largest} bytes");
    }
    Ok(bytes)
}

fn remove(folder: &Dir, name: &str) -> std::io::Result<()> {
    match folder.remove_file(name) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Another file first, so that a crash leaves the one or the other.
fn replace(folder: &Dir, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let new = format!(".{name}.new");
    remove(folder, &new)?;
    folder.create(&new)?.write_all(bytes)?;
    folder.rename(&new, folder, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> Folder {
        let text: String =
            names.iter().map(|name| format!("[actions.{name}]\ncomponent = \"components/{name}.wasm\"\n")).collect();
        let components = names.iter().map(|name| ((*name).to_owned(), Bytes::from(name.as_bytes().to_vec()))).collect();
        Folder { manifest: Manifest::parse(&text).unwrap(), components }
    }

    #[test]
    fn names_with_spaces_and_brackets_come_back() {
        let folder_of_names = tempfile::tempdir().unwrap();
        let name = "[PROD] Roles: (v2)";
        let text = format!("[actions.{name:?}]\ncomponent = {:?}\n", component_file(name));
        let components = BTreeMap::from([(name.to_owned(), Bytes::from_static(b"component"))]);
        let written = Folder { manifest: Manifest::parse(&text).unwrap(), components };
        written.write(folder_of_names.path()).unwrap();
        assert_eq!(files(&folder_of_names.path().join(COMPONENTS)), ["%5BPROD%5D%20Roles%3A%20%28v2%29.wasm"]);
        assert_eq!(Folder::read(folder_of_names.path()).unwrap(), written);
    }

    fn files(path: &Path) -> Vec<String> {
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_and_what_was_there_before_goes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/acme");
        folder(&["a", "b"]).write(&path).unwrap();
        assert_eq!(Folder::read(&path).unwrap(), folder(&["a", "b"]));
        for mine in ["notes.txt", "a.symbols.wasm"] {
            std::fs::write(path.join("components").join(mine), "mine").unwrap();
        }
        folder(&["b", "c"]).write(&path).unwrap();
        assert_eq!(Folder::read(&path).unwrap(), folder(&["b", "c"]));
        assert_eq!(files(&path.join("components")), ["a.symbols.wasm", "b.wasm", "c.wasm", "notes.txt"]);
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone_and_one_of_git_is_not_something_else() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".git")).unwrap();
        folder(&["a"]).write(home.path()).unwrap();
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("thesis.tex"), "").unwrap();
        let error = format!("{:#}", folder(&["a"]).write(other.path()).unwrap_err());
        assert!(error.contains("other things in it") && files(other.path()) == ["thesis.tex"], "{error}");
    }

    #[test]
    fn no_component_is_read_from_beyond_the_folder() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("secret"), "x").unwrap();
        let path = home.path().join("acme");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(MANIFEST), "[actions.a]\ncomponent = \"../secret\"\n").unwrap();
        let error = format!("{:#}", Folder::read(&path).unwrap_err());
        assert!(error.contains("can't read ../secret, the component of a"), "{error}");
    }

    #[test]
    fn a_fifo_in_the_folder_is_refused_and_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let made = std::process::Command::new("mkfifo").arg(home.path().join(name)).status().unwrap();
            assert!(made.success());
        };
        make(MANIFEST);
        let read = || format!("{:#}", Folder::read(home.path()).unwrap_err());
        assert!(read().contains("it is not a file"), "{}", read());
        std::fs::remove_file(home.path().join(MANIFEST)).unwrap();
        std::fs::write(home.path().join(MANIFEST), "[actions.a]\ncomponent = \"a.wasm\"\n").unwrap();
        make("a.wasm");
        assert!(read().ends_with("can't read a.wasm, the component of a: it is not a file"), "{}", read());
    }
}

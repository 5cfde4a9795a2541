//! The cache's files: read wholly or not at all, and replaced at once.

use std::collections::{BinaryHeap, HashMap};
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::time::SystemTime;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, FileType, OpenOptions, OpenOptionsExt as _};

/// What is at a file's place.
pub(super) enum Read {
    Nothing,
    /// No regular file.
    NoFile(&'static str),
    /// A number of bytes.
    TooLarge(u64),
    Bytes(Vec<u8>),
}

/// Reads a regular file of at most this size into memory. A link is not followed, and nothing that
/// could block is waited for.
pub(super) fn read(folder: &Dir, name: &str, limit: usize) -> io::Result<Read> {
    match folder.symlink_metadata(name) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) => return Ok(Read::NoFile(kind(metadata.file_type()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Nothing),
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = match folder.open_with(name, &options) {
        Ok(file) => file,
        // Another process has made room.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Nothing),
        Err(error) => return Err(error),
    };
    // What has been opened counts, and not what was seen before.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Read::NoFile(kind(metadata.file_type())));
    }
    let size = metadata.len();
    if size > limit as u64 {
        return Ok(Read::TooLarge(size));
    }
    let file = file.into_std();
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // It may have grown.
    let read = (&file).take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if read > limit {
        return Ok(Read::TooLarge(read as u64));
    }
    // What is used is not removed. A folder that can be read alone is used all the same.
    let _ = file.set_modified(SystemTime::now());
    Ok(Read::Bytes(bytes))
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_symlink() {
        "a link"
    } else if file_type.is_dir() {
        "a folder"
    } else {
        "no regular file"
    }
}

/// Puts a file of these parts into its place. A concurrent reader has the old one or the new
/// one; of two writers, one wins.
pub(super) fn replace(folder: &Dir, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let (temporary, mut file) = new_file(folder, name)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
    let replaced = written.and_then(|()| match folder.rename(&temporary, folder, name) {
        // A folder is not replaced by a file.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            folder.remove_dir_all(name)?;
            folder.rename(&temporary, folder, name)
        }
        renamed => renamed,
    });
    if replaced.is_err() {
        let _ = folder.remove_file(&temporary);
    }
    replaced
}

/// A new file beside another, that its owner alone can read, and its name.
pub(super) fn new_file(folder: &Dir, beside: &str) -> io::Result<(String, File)> {
    let random = getrandom::u64().map_err(io::Error::other)?;
    let name = format!("{beside}.{random:016x}.new");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = folder.open_with(&name, &options)?;
    Ok((name, file))
}

/// A file of the folder: when it was used last, its size and its name.
type Found = (SystemTime, u64, OsString);

/// Where all files together exceed a number of bytes, evicts the oldest file of the largest owner,
/// except the one to keep, until no more bytes are left than are wanted. Whose a
/// file is, the part of its name before the first `-` says. Gives the bytes that are left.
pub(super) fn make_room(folder: &Dir, keep: &str, room: u64, wanted: u64) -> io::Result<u64> {
    let mut owners: HashMap<String, (u64, Vec<Found>)> = HashMap::new();
    let mut all = 0;
    for entry in folder.entries()? {
        let entry = entry?;
        // Another process makes room, too.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let (name, size) = (entry.file_name(), metadata.len());
            let owner = name.to_string_lossy().split_once('-').map(|(owner, _)| owner.to_owned()).unwrap_or_default();
            let (of_owner, files) = owners.entry(owner).or_default();
            all += size;
            *of_owner += size;
            if name != keep {
                files.push((metadata.modified()?.into_std(), size, name));
            }
        }
    }
    if all <= room {
        return Ok(all);
    }
    for (_, files) in owners.values_mut() {
        files.sort_by(|one, other| other.cmp(one));
    }
    let mut most: BinaryHeap<(u64, Vec<Found>)> = owners.into_values().collect();
    while all > wanted
        && let Some((of_owner, mut files)) = most.pop()
    {
        let Some((_, size, name)) = files.pop() else { continue };
        match folder.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => all -= size,
        }
        most.push((of_owner - size, files));
    }
    Ok(all)
}

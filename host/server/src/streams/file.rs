//! A stream into a file: JSON lines, each written whole and synced. A file that is full gets a
//! number behind its name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::batch::Batch;
use super::stream::Unsent;
use crate::config::StreamFile;

/// How long the disk may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file that batches are written to, one after the other.
pub(super) struct FileSink {
    file: StreamFile,
    /// A write that the disk has not ended in time. Until it ends, no other one is begun: each
    /// holds a thread.
    hanging: Option<JoinHandle<io::Result<()>>>,
}

impl FileSink {
    pub(super) fn new(file: StreamFile) -> Self {
        Self { file, hanging: None }
    }

    /// Writes a batch; when it returns `Ok`, it is on disk.
    pub(super) async fn send(&mut self, batch: &Batch) -> Result<(), Unsent> {
        let written = self.write(batch).await;
        written.map_err(|error| {
            let reason = format!("{}: {error}", self.file.folder.join(&self.file.name).display());
            Unsent { reason, asked: None }
        })
    }

    async fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let in_time = || io::Error::other(format!("the disk has not answered within {} s", PATIENCE.as_secs()));
        if let Some(hanging) = &mut self.hanging {
            // What it has written is written once more: its batch was not acknowledged.
            let _ = timeout_at(deadline, hanging).await.map_err(|_| in_time())?;
            self.hanging = None;
        }
        let (to, lines) = (self.file.clone(), batch.lines.clone());
        let mut writing = tokio::task::spawn_blocking(move || append(&to, &lines));
        match timeout_at(deadline, &mut writing).await {
            // A panic's message is not shown.
            Ok(written) => written.unwrap_or_else(|_| Err(io::Error::other("the write has panicked"))),
            Err(_) => {
                self.hanging = Some(writing);
                Err(in_time())
            }
        }
    }
}

/// Opened for each batch: whoever takes the file away finds a new one.
fn append(file: &StreamFile, lines: &[String]) -> io::Result<()> {
    let folder = Dir::open_ambient_dir(&file.folder, ambient_authority())?;
    let mut open = Lines::open(&folder, &file.name)?;
    for line in lines {
        if !open.has_room(line, file.most_bytes) {
            open.write()?;
            rotate(&folder, &file.name, file.keep)?;
            open = Lines::open(&folder, &file.name)?;
        }
        open.push(line);
    }
    open.write()
}

/// What keeps a file from being written, found without writing.
pub(crate) fn obstacle(file: &StreamFile) -> io::Result<()> {
    let folder = Dir::open_ambient_dir(&file.folder, ambient_authority())?;
    let about = folder.dir_metadata()?;
    let user = rustix::process::geteuid();
    // Of another user's folder it is not known by which group or list it may be written.
    if about.uid() == user.as_raw() && about.mode() & 0o300 != 0o300 && !user.is_root() {
        return Err(io::Error::other(format!("its folder can't be written to (mode {:o})", about.mode() & 0o777)));
    }
    let found = match folder.metadata(&file.name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut open = folder.open_with(&file.name, OpenOptions::new().read(true).append(true))?.into_std();
    // What is left of a line is cut off when it is written to.
    unwhole(&mut open).map(drop)
}

/// A file that ends with a whole line.
struct Lines {
    file: File,
    /// On disk.
    bytes: u64,
    /// To be written.
    more: Vec<u8>,
}

impl Lines {
    fn open(folder: &Dir, name: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = folder.open_with(name, &options)?.into_std();
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => io::Error::other("another process writes it"),
            std::fs::TryLockError::Error(error) => error,
        })?;
        let bytes = whole_lines(&mut file)?;
        if bytes == 0 {
            // It may be new: its name is to be on disk, too.
            sync(folder)?;
        }
        Ok(Self { file, bytes, more: Vec::new() })
    }

    fn has_room(&self, line: &str, most: u64) -> bool {
        let bytes = self.bytes + self.more.len() as u64;
        bytes == 0 || bytes + (line.len() as u64) < most
    }

    fn push(&mut self, line: &str) {
        self.more.extend_from_slice(line.as_bytes());
        self.more.push(b'\n');
    }

    /// Writes all of it, or leaves the file as it was.
    fn write(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.more).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(self.bytes)?;
        }
        self.bytes += self.more.len() as u64;
        self.more.clear();
        written
    }
}

/// How many bytes of a file are whole lines. What was left of a line when a machine stopped is cut
/// off: its entry is sent again.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let (end, length) = unwhole(file)?;
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

/// How many bytes of a file are whole lines, and how many it has.
fn unwhole(file: &mut File) -> io::Result<(u64, u64)> {
    const PART: u64 = 64 << 10;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PART);
        file.seek(SeekFrom::Start(start))?;
        let mut part = Vec::new();
        (&mut *file).take(end - start).read_to_end(&mut part)?;
        if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.seek(SeekFrom::Start(end))?;
        let mut first = [0; 1];
        file.read_exact(&mut first)?;
        if first != *b"{" {
            return Err(io::Error::other("it ends with something that is no line of JSON, and is left as it is"));
        }
    }
    Ok((end, length))
}

/// Gives the file the number 1, those before it one more, and forgets the last. A crash in between
/// leaves a number free, which is taken the next time.
fn rotate(folder: &Dir, name: &str, keep: u32) -> io::Result<()> {
    let numbered = |number: u32| format!("{name}.{number}");
    let free = (1..keep).find(|number| !folder.exists(numbered(*number))).unwrap_or(keep);
    for number in (1..free).rev() {
        folder.rename(numbered(number), folder, numbered(number + 1))?;
    }
    folder.rename(name, folder, numbered(1))?;
    // From when more were kept.
    let mut older = keep + 1;
    while folder.remove_file(numbered(older)).is_ok() {
        older += 1;
    }
    sync(folder)
}

/// Names are on disk.
fn sync(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, most_bytes: u64, keep: u32) -> StreamFile {
        StreamFile { folder: folder.path().to_owned(), name: "log.jsonl".into(), most_bytes, keep }
    }

    fn read(folder: &tempfile::TempDir, name: &str) -> String {
        std::fs::read_to_string(folder.path().join(name)).unwrap_or_else(|_| "none".into())
    }

    fn line(number: usize) -> String {
        format!("{{\"n\":{number}}}")
    }

    #[test]
    fn a_full_file_gets_a_number_and_the_last_one_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (0..8).map(line).collect();
        append(&file(&folder, 16, 2), &lines[..5]).unwrap();
        append(&file(&folder, 16, 2), &lines[5..]).unwrap();
        let found = ["log.jsonl", "log.jsonl.1", "log.jsonl.2", "log.jsonl.3"].map(|name| read(&folder, name));
        let two = |a, b| format!("{}\n{}\n", line(a), line(b));
        assert_eq!(found, [two(6, 7), two(4, 5), two(2, 3), "none".into()]);
        let long = vec![format!("{{\"n\":\"{}\"}}", "x".repeat(50)), line(8)];
        append(&file(&folder, 16, 1), &long).unwrap();
        let found = ["log.jsonl", "log.jsonl.1", "log.jsonl.2"].map(|name| read(&folder, name));
        assert_eq!(found, [format!("{}\n", line(8)), format!("{}\n", long[0]), "none".into()], "and fewer are kept");
    }

    #[test]
    fn a_number_that_a_crash_has_left_free_is_taken_before_anything_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (0..4).map(line).collect();
        append(&file(&folder, 8, 3), &lines).unwrap();
        std::fs::rename(folder.path().join("log.jsonl.2"), folder.path().join("elsewhere")).unwrap();
        append(&file(&folder, 8, 3), &[line(4)]).unwrap();
        let found = ["log.jsonl", "log.jsonl.1", "log.jsonl.2", "log.jsonl.3"].map(|name| read(&folder, name));
        assert_eq!(found, [4, 3, 2, 0].map(|number| format!("{}\n", line(number))));
    }

    #[test]
    fn what_is_left_of_a_line_is_cut_off_and_what_is_no_line_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        for torn in ["{".to_owned(), format!("{{{}", "x".repeat(200_000))] {
            std::fs::write(&path, format!("{}\n{torn}", line(0))).unwrap();
            append(&file(&folder, 1 << 20, 1), &[line(1)]).unwrap();
            assert_eq!(read(&folder, "log.jsonl"), format!("{}\n{}\n", line(0), line(1)));
        }
        std::fs::write(&path, "a shopping list").unwrap();
        let refused = append(&file(&folder, 1 << 20, 1), &[line(1)]).unwrap_err().to_string();
        assert_eq!(refused, "it ends with something that is no line of JSON, and is left as it is");
        assert_eq!(read(&folder, "log.jsonl"), "a shopping list");
    }

    #[test]
    fn what_keeps_a_file_from_being_written_is_found_without_writing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, settings) = (folder.path().join("log.jsonl"), file(&folder, 100, 1));
        obstacle(&settings).unwrap();
        assert!(!path.exists(), "it is not made");
        std::fs::write(&path, "{\"n\":0}\n{\"n\"").unwrap();
        obstacle(&settings).unwrap();
        assert_eq!(read(&folder, "log.jsonl"), "{\"n\":0}\n{\"n\"", "it is left as it is");
        std::fs::write(&path, "a shopping list").unwrap();
        assert!(obstacle(&settings).unwrap_err().to_string().starts_with("it ends with something that is no line of JSON"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(obstacle(&settings).unwrap_err().to_string(), "it is no file");
        std::fs::remove_dir(&path).unwrap();
        let gone = StreamFile { folder: folder.path().join("gone"), ..settings };
        assert_eq!(obstacle(&gone).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn it_is_its_owners_alone_and_one_process_writes_it_at_a_time() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        append(&file(&folder, 100, 1), &[line(0)]).unwrap();
        let path = folder.path().join("log.jsonl");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let refused = append(&file(&folder, 100, 1), &[line(1)]).unwrap_err().to_string();
        assert_eq!(refused, "another process writes it");
        drop(other);
        append(&file(&folder, 100, 1), &[line(1)]).unwrap();
    }
}

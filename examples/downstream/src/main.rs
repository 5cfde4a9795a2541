//! A tenant's log in a database that can be asked: `downstream DATABASE FILE` takes in what a
//! stream has written into a file of JSON lines.
//!
//! Everything is read each time, the files that were full too: an entry that is there already is
//! left out by its id.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rusqlite::Connection;

/// SQLite reads the JSON.
const INSERT: &str = "INSERT INTO log (id, entry) VALUES (?1 ->> '$.log_id', ?1) ON CONFLICT (id) DO NOTHING";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let database = arguments.next().context("give the path of a database; a missing one is made")?;
    let file = PathBuf::from(arguments.next().context("give the stream's file")?);

    let mut database = Connection::open(&database).with_context(|| format!("can't open {database}"))?;
    database.execute_batch(include_str!("schema.sql"))?;
    let mut new = 0;
    for file in files(&file) {
        let open = match File::open(&file) {
            // It has got the next number, under which it is read the next time.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            open => open.with_context(|| format!("can't open {}", file.display()))?,
        };
        new += take_in(&mut database, open).with_context(|| format!("can't take in {}", file.display()))?;
    }
    println!("{new} new entries");
    Ok(())
}

/// The stream's file, and before it those that were full: `FILE.2`, `FILE.1`, `FILE`.
fn files(file: &Path) -> Vec<PathBuf> {
    let numbered = |number: u32| PathBuf::from(format!("{}.{number}", file.display()));
    let mut files: Vec<PathBuf> = (1..).map(numbered).take_while(|file| file.exists()).collect();
    files.reverse();
    files.push(file.to_owned());
    files
}

/// All of a file or nothing; how many entries were new.
fn take_in(database: &mut Connection, file: File) -> Result<usize> {
    let transaction = database.transaction()?;
    let mut insert = transaction.prepare(INSERT)?;
    let mut file = BufReader::new(file);
    let (mut line, mut number, mut new) = (String::new(), 0, 0);
    // A line that has no end yet is being written.
    while file.read_line(&mut line)? > 0 && line.ends_with('\n') {
        number += 1;
        new += insert.execute([line.trim_end()]).with_context(|| format!("line {number} is no log entry"))?;
        line.clear();
    }
    drop(insert);
    transaction.commit()?;
    Ok(new)
}

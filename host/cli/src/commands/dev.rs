//! `vestibule dev`: an Action that is built and run again at each change, for as long as its author
//! works on it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use notify::{EventKind, RecursiveMode, Watcher as _};
use serde_json::Value;
use vestibule::model::outcome::Decision;
use vestibule::model::{Event, Outcome, Timestamp};
use vestibule::{Config, Runtime};
use vestibule_build::Builder;

use super::picture;
use crate::actions;
use crate::binding::Given;
use crate::case::{self, Case};
use crate::loading::{Caching, Loading};
use crate::output;
use crate::seen::{difference, seen};
use crate::table::{printable, thousands};

/// How long it has to be quiet before changes are taken for one: editors write a file in several
/// steps.
const QUIET: Duration = Duration::from_millis(100);

/// Build and run an Action again whenever its sources or the event change, and show what becomes
/// different
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vestibule dev                                            with the event of the first case
  vestibule dev my-action --event events/organization.json

It ends with Ctrl-C.")]
pub(crate) struct Dev {
    /// The folder of the Action's crate
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The login event [default: the first case, with its context]
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    caching: Caching,
}

/// What is remembered from one run to the next: the last outcome, and nothing else.
struct Last {
    seen: Value,
    fuel: Option<u64>,
}

impl Dev {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let event = match &self.event {
            Some(file) => file.clone(),
            None => {
                let cases = Case::all(&self.folder).context("there is no case to begin with, so give an event with --event")?;
                cases.first().map(Case::event_file).ok_or_else(|| anyhow!("give an event with --event"))?
            }
        };
        // Watched before it is built for the first time: a change meanwhile is not lost.
        let (sender, changes) = channel();
        let mut watcher = notify::recommended_watcher(sender).context("this machine can't watch files")?;
        let watched = Watched::of(&self.folder, &event)?;
        for (folder, mode) in &watched.folders {
            watcher.watch(folder, *mode).with_context(|| format!("can't watch {}", folder.display()))?;
        }
        let runtime = Runtime::new(
            Config { count_fuel: true, read_symbols: true, http: self.given.http(), ..Config::default() }.for_one_login(),
        )?;
        let loading = self.caching.loader(&runtime)?;
        let mut last = None;
        let mut what = "begins".to_owned();
        loop {
            println!("── {} · {} {what}", time_of_day(), self.folder.display());
            match self.run(&runtime, &loading, &event) {
                Ok((event, outcome)) => last = Some(show(&event, &outcome, last)),
                Err(error) => eprintln!("error: {error:#}"),
            }
            println!("── waiting for a change");
            output::flush()?;
            if output::is_closed() {
                return Ok(ExitCode::SUCCESS);
            }
            what = match watched.next(&changes) {
                Some(changed) => changed,
                None => return Ok(ExitCode::SUCCESS),
            };
        }
    }

    fn run(&self, runtime: &Runtime, loading: &Loading, event: &Path) -> Result<(Arc<Event>, Outcome)> {
        // A case is run as `vestibule test` runs it, unless the command line says what is around
        // the event.
        let case = Case::of(event).filter(|_| self.given.is_empty());
        let read = case::event(event)?;
        let action = actions::read(&self.folder)?.load(loading)?;
        let (event, flow, context) = match case {
            Some(case) => case.prepare(&action, self.given.network())?,
            None => {
                let event = Arc::new(read);
                let (flow, context) = self.given.flow(&event, vec![action])?;
                (event, flow, context)
            }
        };
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let outcome = executor.block_on(runtime.run(&flow, Arc::clone(&event), &context))?;
        Ok((event, outcome))
    }
}

/// Shows the whole outcome the first time, and then what is different.
fn show(event: &Event, outcome: &Outcome, last: Option<Last>) -> Last {
    let seen = seen(outcome);
    let report = outcome.actions.first();
    let fuel = report.and_then(|report| report.fuel);
    match last {
        None => print!("{}", picture::of(event, outcome)),
        Some(last) if last.seen == seen => println!("\n   the outcome is the same{}\n", change_of_fuel(last.fuel, fuel)),
        Some(last) => println!("\n{}{}\n", difference(&last.seen, &seen), change_of_fuel(last.fuel, fuel)),
    }
    if let (Decision::Failed { action, error }, Some(report)) = (&outcome.decision, report) {
        eprint!(
            "error: Action {action} failed, so the login fails\n  → {}\n{}",
            printable(&error.to_string()),
            picture::trace(report)
        );
    }
    Last { seen, fuel }
}

fn change_of_fuel(before: Option<u64>, after: Option<u64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before != after => format!("   (fuel {} → {})", thousands(before), thousands(after)),
        _ => String::new(),
    }
}

fn time_of_day() -> String {
    let now = Timestamp::now().to_string();
    format!("{} UTC", now.get(11..19).unwrap_or_default())
}

/// Which folders are watched, and which changes in them count.
struct Watched {
    folders: Vec<(PathBuf, RecursiveMode)>,
    /// The event, and what else its run depends on.
    files: Vec<PathBuf>,
    crates: BTreeSet<PathBuf>,
}

impl Watched {
    /// The folders of the crate and of those that it depends on by path, and the event's. Editors
    /// replace files, so folders are watched and not files; and not what cargo builds into, which
    /// changes all the time.
    fn of(folder: &Path, event: &Path) -> Result<Self> {
        let event = event.canonicalize().with_context(|| format!("can't find the event {}", event.display()))?;
        // A folder that is missing can't be watched, and its file not be read.
        let others = Case::of(&event).map(|case| case.other_files()).unwrap_or_default();
        let of_event = others.iter().filter_map(|file| file.parent()?.canonicalize().ok().zip(file.file_name()));
        let mut files: Vec<PathBuf> = of_event.map(|(folder, name)| folder.join(name)).collect();
        files.push(event);
        let crates: BTreeSet<PathBuf> = Builder::new(folder).source_folders()?.into_iter().collect();
        let parents: BTreeSet<PathBuf> = files.iter().filter_map(|file| file.parent().map(Path::to_owned)).collect();
        let mut folders: Vec<_> = parents.into_iter().map(|folder| (folder, RecursiveMode::NonRecursive)).collect();
        for of_crate in &crates {
            folders.push((of_crate.clone(), RecursiveMode::NonRecursive));
            let entries = std::fs::read_dir(of_crate).with_context(|| format!("can't read {}", of_crate.display()))?;
            for entry in
                entries.flatten().filter(|entry| entry.path().is_dir() && is_source(&entry.file_name().to_string_lossy()))
            {
                folders.push((entry.path(), RecursiveMode::Recursive));
            }
        }
        Ok(Self { folders, files, crates })
    }

    /// Waits for a change, and for quiet after it. What has changed, in words; `None` when there is
    /// nothing to wait for any more.
    fn next(&self, changes: &Receiver<notify::Result<notify::Event>>) -> Option<String> {
        let mut changed = BTreeSet::new();
        loop {
            let change = if changed.is_empty() {
                changes.recv().ok()?
            } else {
                match changes.recv_timeout(QUIET) {
                    Ok(change) => change,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            };
            let Ok(change) = change else { continue };
            if !matches!(change.kind, EventKind::Access(_) | EventKind::Other) {
                changed.extend(change.paths.into_iter().filter(|path| self.counts(path)));
            }
        }
        let names: Vec<String> =
            changed.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
        Some(format!("after a change of {}", names.join(", ")))
    }

    fn counts(&self, path: &Path) -> bool {
        if self.files.iter().any(|file| file == path) {
            return true;
        }
        // Of a crate, everything but what is built, what is hidden, other cases, and the lock file,
        // which cargo writes itself.
        self.crates.iter().filter_map(|of_crate| path.strip_prefix(of_crate).ok()).any(|inside| {
            let is_source = inside.components().all(|part| is_source(&part.as_os_str().to_string_lossy()));
            is_source && !inside.starts_with("cases") && inside.file_name().is_some_and(|name| name != "Cargo.lock")
        })
    }
}

/// Whether a file or a folder of this name can belong to an Action's sources.
fn is_source(name: &str) -> bool {
    name != "target" && !name.starts_with('.') && !name.ends_with('~')
}

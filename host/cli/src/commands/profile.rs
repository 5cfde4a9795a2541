//! `vestibule run --profile`: where Actions spend their fuel, as a file for a viewer, and as a
//! table.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use fxprof_processed_profile::{
    CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, ReferenceTimestamp, SamplingInterval, StackHandle, Timestamp,
    WeightType,
};
use vestibule::profile::{Function, Profile, Share};

use crate::table::{Table, thousands};

/// Functions that the table shows for each Action.
const SHOWN: usize = 10;

/// Writes the profiles, in the format that the file's name asks for.
///
/// - `.json`: Firefox's profiler opens it (profiler.firefox.com), one process for each Action.
/// - `.svg`: a flame graph, for any browser.
/// - anything else: one line for each stack, `outer;inner 123`, as viewers of flame graphs read it.
pub(crate) fn write(profiles: &[Profile], file: &Path) -> Result<()> {
    let out = File::create(file).with_context(|| format!("can't write the profile {}", file.display()))?;
    let mut out = BufWriter::new(out);
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::to_writer(&mut out, &firefox(profiles))?,
        Some("svg") => flame_graph(profiles, &mut out)?,
        _ => out.write_all(folded(profiles).as_bytes())?,
    }
    Ok(out.flush()?)
}

/// The functions that used most, for the terminal.
pub(crate) fn table(profiles: &[Profile]) -> String {
    let mut text = String::new();
    for profile in profiles {
        let all = profile.fuel();
        let _ = writeln!(text, "   Fuel of {}: {}\n", profile.action, thousands(all));
        let mut table = Table::default();
        table.row(["own", "", "with calls", "function", ""]);
        for Share { function, own, total } in profile.shares().into_iter().take(SHOWN) {
            let Some(Function { name, file }) = profile.functions.get(function) else { continue };
            let of_all = |fuel: u64| format!("{:.0} %", fuel as f64 * 100.0 / all.max(1) as f64);
            table.row([
                &thousands(own),
                &of_all(own),
                &of_all(total),
                &shortened(name),
                &short(file.as_deref().unwrap_or_default()),
            ]);
        }
        let _ = writeln!(text, "{table}");
    }
    text
}

/// A name without most of its type parameters.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 60;
    if name.chars().count() <= LONGEST { name.to_owned() } else { name.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// A file as a person names it: from here, from its crate, or from the standard library.
fn short(file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    if let Ok(file) = Path::new(file).strip_prefix(here) {
        return file.display().to_string();
    }
    // After these, one folder follows that says which registry or which compiler.
    for above in ["/registry/src/", "/rustc/"] {
        if let Some((_, rest)) = file.split_once(above).and_then(|(_, rest)| rest.split_once('/')) {
            return rest.to_owned();
        }
    }
    // The C library tells of a machine that nobody has.
    file.rsplit_once("/wasi-libc/").map_or_else(|| file.to_owned(), |(_, rest)| format!("wasi-libc/{rest}"))
}

fn folded(profiles: &[Profile]) -> String {
    // Functions of one name in two files are one function here.
    let mut lines: Vec<(String, u64)> = Vec::new();
    for profile in profiles {
        for (stack, fuel) in &profile.stacks {
            let mut line = profile.action.name().to_owned();
            for function in stack.iter().filter_map(|function| profile.functions.get(*function)) {
                let _ = write!(line, ";{}", function.name.replace(';', ":"));
            }
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, known)) => *known += fuel,
                None => lines.push((line, *fuel)),
            }
        }
    }
    lines.iter().map(|(line, fuel)| format!("{line} {fuel}\n")).collect()
}

fn flame_graph(profiles: &[Profile], out: &mut impl Write) -> Result<()> {
    let mut options = inferno::flamegraph::Options::default();
    options.title = "Fuel".to_owned();
    options.count_name = "fuel".to_owned();
    inferno::flamegraph::from_lines(&mut options, folded(profiles).lines(), out)
        .map_err(|error| anyhow!("no flame graph: {error}"))
}

/// As Firefox's profiler has it. It knows time and not fuel: a unit of fuel stands for a
/// nanosecond.
fn firefox(profiles: &[Profile]) -> fxprof_processed_profile::Profile {
    let start = ReferenceTimestamp::from_system_time(SystemTime::now());
    let interval = SamplingInterval::from(Duration::from_nanos(1));
    let mut written = fxprof_processed_profile::Profile::new("vestibule: a nanosecond is a unit of fuel", start, interval);
    let zero = Timestamp::from_nanos_since_reference(0);
    for (id, profile) in (1..).zip(profiles) {
        let process = written.add_process(&profile.action.to_string(), id, zero);
        let thread = written.add_thread(process, id, zero, true);
        written.set_thread_samples_weight_type(thread, WeightType::Samples);
        let mut used = 0;
        for (stack, fuel) in &profile.stacks {
            let mut handle: Option<StackHandle> = None;
            for function in stack.iter().filter_map(|function| profile.functions.get(*function)) {
                let label = written.intern_string(&function.name);
                let frame = FrameInfo {
                    frame: Frame::Label(label),
                    category_pair: CategoryHandle::OTHER.into(),
                    flags: FrameFlags::empty(),
                };
                let frame = written.intern_frame(thread, frame);
                handle = Some(written.intern_stack(thread, handle, frame));
            }
            let weight = i32::try_from(*fuel).unwrap_or(i32::MAX);
            written.add_sample(thread, Timestamp::from_nanos_since_reference(used), handle, CpuDelta::from_nanos(*fuel), weight);
            used += fuel;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule::model::ActionId;

    fn profile() -> Profile {
        let function = |name: &str| Function { name: name.into(), file: None };
        Profile {
            action: ActionId::new("gate", "0.1.0").unwrap(),
            functions: vec![function("run"), function("look_up")],
            stacks: vec![(vec![0], 1_000), (vec![0, 1], 3_000)],
        }
    }

    #[test]
    fn a_stack_is_a_line_for_viewers_of_flame_graphs() {
        assert_eq!(folded(&[profile()]), "gate;run 1000\ngate;run;look_up 3000\n");
    }

    #[test]
    fn the_table_begins_with_the_function_that_used_most() {
        let table = table(&[profile()]);
        let rows: Vec<&str> = table.lines().map(str::trim).collect();
        assert_eq!(rows[0], "Fuel of gate@0.1.0: 4,000");
        assert!(rows[3].starts_with("3,000  75 %") && rows[3].contains("look_up"), "{table}");
        assert!(rows[4].contains("100 %"), "{table}");
    }

    #[test]
    fn firefox_is_told_of_each_action_as_a_process() {
        let json = serde_json::to_value(firefox(&[profile()])).unwrap();
        assert_eq!(json["threads"][0]["processName"], "gate@0.1.0");
        assert_eq!(json["threads"][0]["samples"]["weight"], serde_json::json!([1_000, 3_000]));
    }
}

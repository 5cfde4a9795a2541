//! What a runtime may use, and what an Action may use.

use std::time::Duration;

/// What one run of one Action may use. More is a failure of that Action, which names the limit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time of computing.
    pub cpu_time: Duration,
    /// Time from its start, waiting included.
    pub wall_time: Duration,
    /// Bytes of linear memory.
    pub memory: usize,
    /// Elements of one table.
    pub table_elements: usize,
    /// Bytes of the stack.
    pub stack: usize,
    /// Calls of the contract's functions.
    pub calls: u32,
    /// Bytes that one call passes to the host.
    pub call_bytes: usize,
    /// Bytes of log; what is beyond is cut, and the Action goes on.
    pub log_bytes: usize,
    /// Lines of log; what is beyond is cut, and the Action goes on.
    pub log_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A login's Actions take microseconds; an interpreter that starts up takes milliseconds. A user waits half a second.
            cpu_time: Duration::from_millis(500),
            // As long as Auth0 gives a trigger.
            wall_time: Duration::from_secs(20),
            // An Action in Rust starts with 1 MiB, one in Python with about 30.
            memory: 64 << 20,
            table_elements: 20_000,
            stack: 512 << 10,
            calls: 10_000,
            call_bytes: 1 << 20,
            log_bytes: 16 << 10,
            log_lines: 256,
        }
    }
}

/// One row of the table of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The limit's name, as errors and settings have it.
    pub name: &'static str,
    /// What is allowed, for people.
    pub allowed: String,
    /// What is limited, and what happens beyond.
    pub what: &'static str,
}

impl Limits {
    /// All limits as a table: what documentation and operators are shown.
    pub fn table(&self) -> Vec<Limit> {
        let row = |name, allowed, what| Limit { name, allowed, what };
        let milliseconds = |duration: Duration| format!("{} ms", duration.as_millis());
        let bytes = |bytes: usize| format!("{} KiB", bytes >> 10);
        vec![
            row("cpu_time", milliseconds(self.cpu_time), "time of computing; beyond it the Action fails"),
            row("wall_time", milliseconds(self.wall_time), "time from its start, waiting included; beyond it the Action fails"),
            row("memory", bytes(self.memory), "linear memory; beyond it the Action fails"),
            row("table_elements", self.table_elements.to_string(), "elements of one table; beyond it the Action fails"),
            row("stack", bytes(self.stack), "the stack; beyond it the Action fails"),
            row("calls", self.calls.to_string(), "calls of the contract's functions; beyond it the Action fails"),
            row("call_bytes", bytes(self.call_bytes), "what one call passes to the host; beyond it the Action fails"),
            row("log_bytes", bytes(self.log_bytes), "the log; what is beyond is cut, and marked"),
            row("log_lines", self.log_lines.to_string(), "lines of log; what is beyond is cut, and marked"),
        ]
    }
}

/// How a runtime is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What one run of one Action may use.
    pub limits: Limits,
    /// Sandboxes that can live at one time. Each reserves address space, and takes memory only while it is used.
    pub sandboxes: u32,
    /// Bytes of a component that is loaded.
    pub component_bytes: usize,
    /// Whether the instructions that an Action runs are counted: the number that authors compare. It costs some speed.
    pub count_fuel: bool,
    /// Whether a component's debugging information is read when it breaks off, so that its trace has files and lines. It is the
    /// guest's own data, and reading it takes time: for an author's machine, not for a host that runs code of strangers.
    pub read_symbols: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sandboxes: 256,
            // An Action in Rust has 50 kB, one in Python 18 MB.
            component_bytes: 32 << 20,
            count_fuel: false,
            read_symbols: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_table_of_limits() {
        let readme = include_str!("../README.md");
        for Limit { name, allowed, what } in Limits::default().table() {
            let row = format!("| `{name}` | {allowed} | {what} |");
            assert!(readme.contains(&row), "host/runtime/README.md has to have this row:\n{row}");
        }
    }
}

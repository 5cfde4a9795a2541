//! Nothing of one login is found by another, wherever the kernel has put its pages meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vestibule::limits::Limits;
use vestibule::{Binding, Config};
use vestibule_test_artifacts::hostile::MARKS_ITS_MEMORY_AND_WAITS;
use vestibule_tests::host::{ACME, GLOBEX, Host, step};
use vestibule_tests::{limits, load};

use crate::isolation::{finds_nothing, one_sandbox};

/// How long the first login keeps its memory, for it to be paged out.
const WAIT: Duration = Duration::from_secs(5);

/// What the guest marks, in kB: most of it has to be paged out for the test to say something.
const MARKED: u64 = 4_088;

/// A swap file that is used for as long as this lives.
struct Swap(PathBuf);

impl Swap {
    fn on(file: PathBuf) -> Self {
        let path = file.to_str().expect("a path in UTF-8");
        run(Command::new("dd").args(["if=/dev/zero", &format!("of={path}"), "bs=1M", "count=256", "status=none"]));
        run(Command::new("chmod").args(["600", path]));
        let swap = Self(file.clone());
        run(Command::new("mkswap").arg(path));
        run(Command::new("swapon").arg(path));
        swap
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        // It was not turned on where `swapon` has failed.
        let _ = Command::new("swapoff").arg(&self.0).status();
        let _ = std::fs::remove_file(&self.0);
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Kilobytes of this process that are swapped out.
fn swapped() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSwap:")).expect("a kernel with swap");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
#[ignore = "it turns a swap file on, which root alone can: tests/run runs it there"]
async fn nothing_that_was_swapped_out_is_found_by_another() {
    let _swap = Swap::on(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("swap-{}", std::process::id())));
    let host = Host::of(Config {
        limits: Limits { wall_time: WAIT * 4, cpu_time: Duration::from_secs(10), ..limits() },
        host_limits: one_sandbox(),
        ..Config::default()
    });
    let action = load(&host.runtime, MARKS_ITS_MEMORY_AND_WAITS);
    for round in 0..3 {
        let nanoseconds = u64::try_from(WAIT.as_nanos()).unwrap();
        let mut marking = Box::pin(host.login(ACME, nanoseconds, vec![Binding::new(action.clone())]));
        step(&mut marking).await;
        // Beyond its moment it goes on in the slow lane: there it has marked its memory before half
        // of its wait is over.
        tokio::time::sleep(WAIT / 4).await;
        run(Command::new("python3").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/pageout.py")));
        assert!(swapped() > MARKED, "only {} kB were paged out", swapped());
        assert!(marking.await.unwrap().is_allowed());
        finds_nothing(&host, if round % 2 == 0 { ACME } else { GLOBEX }, &action).await;
    }
    host.others_log_in().await;
}

/// A page that is being migrated is not present, either, and no test can hold one in that state. So
/// a reset may not ask which are.
#[tokio::test]
async fn no_reset_asks_the_kernel_for_present_pages() {
    let host = Host::new();
    host.others_log_in().await;
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open: Vec<PathBuf> = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok()).collect();
    assert!(!open.is_empty());
    // `PAGEMAP_SCAN` is an `ioctl` on it, and wasmtime keeps it open.
    assert!(!open.iter().any(|file| file.ends_with("pagemap")), "{open:?}");
}

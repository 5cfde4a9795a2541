//! Sandboxes are used again and again: nothing of one login is found by the next one.

use std::time::Duration;

use vestibule::limits::{HostLimits, Limits};
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule::{Action, Binding, Config};
use vestibule_test_artifacts::hostile::{DATA_OUT_OF_BOUNDS, TRAPS_IN_ITS_START};
use vestibule_tests::host::{ACME, GLOBEX, Host, failure};
use vestibule_tests::{host_limits, limits, load};

use crate::shape::Shape;

/// One sandbox with one memory, which each login has to use.
pub(crate) fn one_sandbox() -> HostLimits {
    HostLimits { sandboxes: 1, memories: 1, warm_memories: 0, ..host_limits() }
}

/// A host with one sandbox, which each login has to use.
fn narrow() -> Host {
    let host_limits = HostLimits { sandboxes: 1, ..host_limits() };
    let limits = Limits { cpu_time: Duration::from_secs(10), ..limits() };
    Host::of(Config { limits, host_limits, ..Config::default() })
}

/// How often: a thousand times, and a lot more where there is time.
fn rounds() -> usize {
    if std::env::var_os("VESTIBULE_LONG").is_some() { 20_000 } else { 1_000 }
}

/// An Action that looks through all of its memory, its table and its global for what it has not
/// left there itself, and returns an error where it finds something. Then it leaves marks in all of
/// them, and ends as its header says.
struct Prober {
    /// Pages of memory from the start, which have an image, and pages by which it grows.
    pages: (u32, u32),
    /// Bytes from one mark to the next.
    marks: u32,
    end: &'static str,
}

const RETURNS: &str = "(i64.store (i32.const 0) (i64.const 0)) (i32.const 0)";
const TRAPS: &str = "(i32.div_u (i32.const 1) (i32.const 0))";

impl Prober {
    fn load(&self, host: &Host) -> Action {
        load(&host.runtime, &wat::parse_str(self.text()).unwrap())
    }

    fn text(&self) -> String {
        let Self { pages: (pages, grown), marks, end } = self;
        let (bytes, image) = ((pages + grown) << 16, u64::from_le_bytes(*b"an image"));
        format!(
            r#"(component
            (core module $Prober
                (memory (export "memory") {pages})
                (table $table 16 funcref)
                (global $global (mut i64) (i64.const 0))
                (data (i32.const 1024) "an image")
                (data $words "marks of another login")
                (elem declare func $run)
                (func $found (result i32)
                    (i32.store (i32.const 0) (i32.const 1))
                    (i32.store (i32.const 4) (i32.const 64))
                    (i32.store (i32.const 8) (i32.const 22))
                    (memory.init $words (i32.const 64) (i32.const 0) (i32.const 22))
                    (i32.const 0))
                (func $run (export "run") (result i32)
                    (local $at i32)
                    (if (i64.ne (i64.load (i32.const 1024)) (i64.const {image})) (then (return (call $found))))
                    (i64.store (i32.const 1024) (i64.const 0))
                    (if (i32.ne (memory.grow (i32.const {grown})) (i32.const {pages})) (then (unreachable)))
                    (loop $next
                        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (call $found))))
                        (local.set $at (i32.add (local.get $at) (i32.const 8)))
                        (br_if $next (i32.lt_u (local.get $at) (i32.const {bytes}))))
                    (if (i64.ne (global.get $global) (i64.const 0)) (then (return (call $found))))
                    (if (i32.ne (table.grow $table (ref.null func) (i32.const 984)) (i32.const 16)) (then (unreachable)))
                    (local.set $at (i32.const 0))
                    (loop $next
                        (if (i32.eqz (ref.is_null (table.get $table (local.get $at)))) (then (return (call $found))))
                        (local.set $at (i32.add (local.get $at) (i32.const 1)))
                        (br_if $next (i32.lt_u (local.get $at) (i32.const 1000))))
                    (local.set $at (i32.const 0))
                    (loop $next
                        (i64.store (local.get $at) (i64.const 0xa5a5a5a5a5a5a5a5))
                        (local.set $at (i32.add (local.get $at) (i32.const {marks})))
                        (br_if $next (i32.lt_u (local.get $at) (i32.const {bytes}))))
                    (global.set $global (i64.const -1))
                    (table.fill $table (i32.const 0) (ref.func $run) (i32.const 1000))
                    {end}))
            (core instance $i (instantiate $Prober))
            (func $run (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory"))))
            (export "on-execute-post-login" (func $run))
            (export "on-continue-post-login" (func $run)))"#
        )
    }
}

/// A login through a prober has found nothing.
pub(crate) async fn finds_nothing(host: &Host, tenant: &str, prober: &Action) {
    let outcome = host.login(tenant, 1, vec![Binding::new(prober.clone())]).await.unwrap();
    match outcome.failed() {
        None => {}
        Some(Failure::Trapped { reason }) if reason.contains("divide by zero") => {}
        Some(other) => panic!("a login of {tenant} has found something: {other}"),
    }
}

#[tokio::test]
async fn nothing_of_one_login_is_found_by_another() {
    let host = narrow();
    // What is overwritten between logins is 192 KiB: these are within it, just as large, beyond it,
    // and far beyond it. The last ones leave every second page of the kernel as it is: written
    // pages beside read ones, in more runs than one scan of a page map reports.
    let sizes = [(1, 0, 8), (3, 0, 8), (1, 3, 8), (4, 12, 8), (1, 15, 8_192)];
    let prober = |(pages, grown, marks), end| Prober { pages: (pages, grown), marks, end }.load(&host);
    let probers: Vec<Action> = sizes.iter().zip([RETURNS, TRAPS].iter().cycle()).map(|(size, end)| prober(*size, end)).collect();
    let large = prober((2, 1_000, 8_192), RETURNS);
    for round in 0..rounds() {
        let tenant = if round % 2 == 0 { ACME } else { GLOBEX };
        for prober in &probers {
            finds_nothing(&host, tenant, prober).await;
        }
        if round % 250 == 0 {
            finds_nothing(&host, tenant, &large).await;
        }
    }
    host.others_log_in().await;
}

#[tokio::test]
async fn a_prober_finds_what_is_there() {
    let host = narrow();
    for left in ["(i32.store8 (i32.const 65535) (i32.const 1))", "(global.set $global (i64.const 1))"] {
        // It leaves something itself before it looks.
        let text = Prober { pages: (1, 0), marks: 8, end: RETURNS }.text().replacen(
            "(local $at i32)",
            &format!("(local $at i32) {left}"),
            1,
        );
        let outcome = host.attempt(&wat::parse_str(text).unwrap(), 1).await;
        assert_eq!(failure(&outcome), Failure::Returned { message: "marks of another login".into() });
    }
}

#[tokio::test]
async fn nothing_of_a_failed_instantiation_is_found_by_another() {
    let host = narrow();
    let probers = [(1, 31), (8, 0)].map(|pages| Prober { pages, marks: 8, end: RETURNS }.load(&host));
    let failing = [TRAPS_IN_ITS_START, DATA_OUT_OF_BOUNDS].map(|component| load(&host.runtime, component));
    for _ in 0..rounds() / 10 {
        for (failing, words) in failing.iter().zip(["unreachable", "outside of its memory"]) {
            let outcome = host.login(ACME, 1, vec![Binding::new(failing.clone())]).await.unwrap();
            let ended = failure(&outcome);
            assert!(matches!(&ended, Failure::Trapped { reason } if reason.contains(words)), "{ended}");
            for prober in &probers {
                finds_nothing(&host, GLOBEX, prober).await;
            }
        }
    }
    host.others_log_in().await;
}

#[tokio::test]
async fn a_failed_instantiation_gives_its_place_back() {
    let host = narrow();
    // Its second memory is what it may not have any more.
    let shape = Shape { memories: 2, pages: 16, ..Shape::default() };
    let binding = host.bind(&shape.component()).limits(Limits { memory: 24 << 16, ..limits() });
    for _ in 0..rounds() / 4 {
        let outcome = host.login(ACME, 1, vec![binding.clone()]).await.unwrap();
        let broken = LimitBroken::Memory { given: 32 << 16, allowed: 24 << 16 };
        assert_eq!(failure(&outcome), Failure::Limit { limit: broken });
    }
    host.others_log_in().await;
}

//! What one isolated run of an Action costs, rung by rung, side by side in one run of this program.
//!
//! `cargo bench -p vestibule --bench ladder` prints the table that is in BENCHMARKS.md.
//! Rungs are taken in turns, so that a machine whose speed drifts is the same machine for each; a
//! row is the median of its turns.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a bench without its parts is to stop at once")]

mod bare;

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use vestibule::model::{Event, Login, SessionLifetimes};
use vestibule::{Binding, Config, Flow, RunContext, Runtime};
use vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA;

/// Turns of each rung, and how long one is.
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(200);

const EVENT: &[u8] = include_bytes!("../../../../examples/events/organization-login.json");

/// One rung: what it is called, and one run of it.
struct Rung {
    name: &'static str,
    run: Box<dyn Fn(&tokio::runtime::Runtime) + Send + Sync>,
}

fn main() {
    // Without cargo's own argument for a bench it is a test that the bench runs at all.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let (turns, turn) = if is_bench { (TURNS, TURN) } else { (1, Duration::from_millis(1)) };
    // Compact, as a platform sends it.
    let value: serde_json::Value = serde_json::from_slice(EVENT).expect("the event is JSON");
    let json = value.to_string().into_bytes();
    println!(
        "event: {} bytes of JSON; {} turns of {} ms for each rung and number of threads\n",
        json.len(),
        turns,
        turn.as_millis()
    );
    let rungs = Arc::new(rungs(json));

    let mut times = vec![[Vec::new(), Vec::new()]; rungs.len()];
    for _ in 0..turns {
        for (rung, times) in times.iter_mut().enumerate() {
            for (threads, times) in [1, 2].into_iter().zip(times) {
                times.push(runs_per_second(&rungs, rung, threads, turn));
            }
        }
    }

    println!("| rung | one thread | against bare | two threads | against one |");
    println!("|---|---|---|---|---|");
    let bare = median(&times[0][0]);
    for (rung, [one, two]) in rungs.iter().zip(&times) {
        let (name, one, two) = (rung.name, median(one), median(two));
        let (micros, ratio, gain) = (1e6 / one, bare / one, two / one);
        println!("| {name} | {micros:.1} µs | {ratio:.2}× | {:.0} runs/s | {gain:.2}× |", (two / 100.0).round() * 100.0);
    }
}

fn rungs(json: Vec<u8>) -> Vec<Rung> {
    let bare = bare::Bare::new(ORGANIZATION_SESSION_METADATA);
    let runtime = Runtime::new(Config::default()).expect("a runtime");
    let event = Arc::new(Event::from_json(&json).expect("the event is right"));
    let binding = binding(&runtime);
    let context = RunContext::live();
    let sandbox = {
        let (runtime, event, context) = (runtime.clone(), Arc::clone(&event), context.clone());
        move |executor: &tokio::runtime::Runtime| {
            let login = Box::new(Login::new(Arc::clone(&event), context.now, SessionLifetimes::default()));
            black_box(executor.block_on(runtime.run_action(login, &binding, &context, 0)));
        }
    };
    let whole = whole(runtime, Arc::clone(&event));
    let counting = Runtime::new(Config { count_fuel: true, ..Config::default() }).expect("a runtime");
    let counted = self::whole(counting, event);
    let parse = move |_: &tokio::runtime::Runtime| {
        black_box(Event::from_json(black_box(&json)).expect("the event is right"));
    };
    vec![
        Rung { name: "bare wasmtime, stub functions", run: Box::new(move |executor| bare.run(executor)) },
        Rung { name: "with our sandbox and rules", run: Box::new(sandbox) },
        Rung { name: "the whole flow of one Action", run: Box::new(whole) },
        Rung { name: "the same, its fuel counted", run: Box::new(counted) },
        Rung { name: "parsing the event", run: Box::new(parse) },
    ]
}

fn binding(runtime: &Runtime) -> Binding {
    Binding::new(runtime.load("organization-session-metadata", ORGANIZATION_SESSION_METADATA).expect("an Action"))
}

fn whole(runtime: Runtime, event: Arc<Event>) -> impl Fn(&tokio::runtime::Runtime) {
    let flow = Flow::new(event.tenant.id.clone(), vec![binding(&runtime)]);
    let context = RunContext::live();
    move |executor| {
        let outcome = executor.block_on(runtime.run(&flow, Arc::clone(&event), &context)).expect("one tenant");
        assert!(outcome.is_allowed());
        black_box(outcome);
    }
}

/// Runs a rung on this number of threads for one round.
fn runs_per_second(rungs: &Arc<Vec<Rung>>, rung: usize, threads: usize, turn: Duration) -> f64 {
    let barrier = Arc::new(Barrier::new(threads));
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let (rungs, barrier) = (Arc::clone(rungs), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("an executor");
                let run = &rungs[rung].run;
                for _ in 0..100 {
                    run(&executor);
                }
                barrier.wait();
                let started = Instant::now();
                let mut runs = 0u64;
                while started.elapsed() < turn {
                    for _ in 0..50 {
                        run(&executor);
                    }
                    runs += 50;
                }
                runs as f64 / started.elapsed().as_secs_f64()
            })
        })
        .collect();
    handles.into_iter().map(|handle| handle.join().expect("no rung panics")).sum()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

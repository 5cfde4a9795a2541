//! The compiler's own process.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit};
use wasmtime::Engine;

use super::frame::{self, Answer, Order};
use crate::error::of_wasmtime;
use crate::loading::fingerprint::Fingerprint;
use crate::sandbox::engine;

/// The priority of a compiler below logins (`nice`): at 5 it gets a quarter of a processor that
/// others keep busy.
const NICENESS: i32 = 5;

/// What a program does when a [`Compiler`](super::Compiler) has started it: it compiles the one
/// component that comes over its standard input, and answers over its standard output. It is to be
/// all that the program does, and before it has started a thread.
pub fn worker() -> ExitCode {
    match work(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The host reads the first line of it.
            let _ = writeln!(io::stderr(), "the compiler can't speak with its host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    // The order is the host's own; the component, which is not, is read when the process is
    // confined.
    let order: Order = frame::read(input)?;
    let (answer, code) = match confine_to(order.memory, order.seconds) {
        Ok(()) => compile(&order, &frame::read_bytes(input, order.component_bytes)?),
        Err(error) => (Answer::NotConfined { reason: error.to_string() }, Vec::new()),
    };
    frame::write(output, &answer)?;
    output.write_all(&code)?;
    output.flush()
}

fn compile(order: &Order, component: &[u8]) -> (Answer, Vec<u8>) {
    let mut config = engine::config_of_code(order.count_fuel, order.read_symbols);
    // There are no threads to share it with.
    config.parallel_compilation(false);
    let answer = Engine::new(&config).and_then(|engine| {
        if Fingerprint::of(&engine).to_string() != order.fingerprint {
            return Ok((Answer::OtherEngine, Vec::new()));
        }
        let code = engine.precompile_component(component)?;
        let bytes = code.len() as u64;
        if bytes > order.compiled_bytes {
            return Ok((Answer::TooLarge { bytes }, Vec::new()));
        }
        Ok((Answer::Compiled { bytes }, code))
    });
    answer.unwrap_or_else(|error| {
        let out_of_memory = error.is::<wasmtime::error::OutOfMemory>()
            || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory);
        let answer = if out_of_memory { Answer::OutOfMemory } else { Answer::refused(&of_wasmtime(&error)) };
        (answer, Vec::new())
    })
}

/// Takes from this process, for good, what a compiler doesn't need: more memory and processor time
/// than this, files, sockets, other processes, threads, core dumps. What is open stays open.
///
/// [`worker`] does this before it reads a component. It is public so that an
/// embedder can check what is left.
///
/// # Errors
/// When the operating system refuses. What has been taken until then stays taken.
pub fn confine(memory: usize, time: Duration) -> io::Result<()> {
    confine_to(memory as u64, seconds(time))
}

/// The operating system counts whole seconds.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn confine_to(memory: u64, seconds: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // A host that ends takes its compilers with it.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
    }
    setpriority_process(None, NICENESS.max(getpriority_process(None)?))?;
    limit(Resource::As, memory, memory)?;
    // The first is a signal that tells why; the second ends a process that doesn't listen to it.
    limit(Resource::Cpu, seconds.max(1), seconds.max(1) + 1)?;
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, 0, 0)?;
    // The system doesn't count the processes of root: for such a host, descriptors are what is in
    // the way.
    limit(Resource::Nproc, 0, 0)?;
    // The last one: it takes all descriptors that are not open yet.
    limit(Resource::Nofile, 0, 0)
}

/// Lowers a limit; one that is lower already stays as it is.
fn limit(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let before = getrlimit(resource);
    let lower = |given: u64, before: Option<u64>| Some(before.map_or(given, |before| before.min(given)));
    let maximum = lower(maximum, before.maximum);
    Ok(setrlimit(resource, Rlimit { current: lower(current, before.current).min(maximum), maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_a_second() {
        let of = |milliseconds| seconds(Duration::from_millis(milliseconds));
        assert_eq!([of(0), of(1), of(999), of(1_000), of(1_001)], [0, 1, 1, 1, 2]);
    }

    #[test]
    fn an_order_for_another_engine_compiles_nothing() {
        let order = Order {
            component_bytes: 0,
            compiled_bytes: 0,
            memory: 0,
            seconds: 0,
            count_fuel: false,
            read_symbols: false,
            fingerprint: "of another".to_owned(),
        };
        assert_eq!(compile(&order, b"").0, Answer::OtherEngine);
    }
}

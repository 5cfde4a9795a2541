//! Where an Action's fuel goes, by function: for its author, on a run of its own that is slower
//! than others.
//!
//! WebAssembly asks whether its time is up wherever a function begins and a loop turns. While a
//! profile is recorded the answer is always yes, so each of these points is seen, with the fuel
//! that is left and the stack. What was used since the last point is put down to the stack at that
//! point. So what a function runs between the return of one call and the next point counts for the
//! callee.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use vestibule_model::ActionId;
use vestibule_model::outcome::{LimitBroken, Place};
use wasmtime::{AsContextMut, WasmBacktrace};

use crate::limits::Limits;
use crate::sandbox::failure;

/// How much slower than `cpu_time` a profiled run may be beside the time of looking: to be stopped
/// at each point takes time, too.
const PATIENCE: u32 = 20;

/// How long points are looked at closely: each, then only every fourth for as long, then every
/// sixteenth, and so on. A look takes up to half a millisecond where there is debugging
/// information, so a run of a million points would never end.
const CLOSE_LOOKS: Duration = Duration::from_secs(1);

/// A function of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The file that it stands in, where the component tells it.
    pub file: Option<String>,
}

/// How much of the fuel a function has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which function: its place in [`Profile::functions`].
    pub function: usize,
    /// The fuel that it used itself.
    pub own: u64,
    /// The fuel that it used with all that it called.
    pub total: u64,
}

/// Where one run of an Action spent its fuel.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Which Action.
    pub action: ActionId,
    /// The functions that were seen.
    pub functions: Vec<Function>,
    /// Fuel by stack, in the order in which the stacks were first seen. A stack names functions,
    /// the outermost first.
    pub stacks: Vec<(Vec<usize>, u64)>,
}

impl Profile {
    /// All fuel that was used.
    pub fn fuel(&self) -> u64 {
        self.stacks.iter().map(|(_, fuel)| fuel).sum()
    }

    /// Each function's share; the function that used most of its own comes first.
    pub fn shares(&self) -> Vec<Share> {
        let mut shares: Vec<Share> = (0..self.functions.len()).map(|function| Share { function, own: 0, total: 0 }).collect();
        for (stack, fuel) in &self.stacks {
            if let Some(share) = stack.last().and_then(|function| shares.get_mut(*function)) {
                share.own += fuel;
            }
            for (depth, function) in stack.iter().enumerate() {
                // A recursive function stands in a stack more than once, and has used its fuel
                // once.
                if let Some(share) = shares.get_mut(*function).filter(|_| !stack[..depth].contains(function)) {
                    share.total += fuel;
                }
            }
        }
        shares.sort_by_key(|share| std::cmp::Reverse((share.own, share.total)));
        shares
    }
}

/// Records the profile of one run.
#[derive(Debug)]
pub(crate) struct Recorder {
    started: Instant,
    allowed: Duration,
    functions: Vec<Function>,
    stacks: HashMap<Vec<usize>, usize>,
    fuel: Vec<(Vec<usize>, u64)>,
    /// The stack at the last point, as its place in `fuel`; none before the first.
    last: Option<usize>,
    /// The fuel that was left at the last point.
    left: u64,
    seen: u64,
    /// Time that looking has taken.
    looking: Duration,
}

impl Recorder {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            started: Instant::now(),
            allowed: limits.cpu_time,
            functions: Vec::new(),
            stacks: HashMap::new(),
            fuel: Vec::new(),
            last: None,
            left: u64::MAX,
            seen: 0,
            looking: Duration::ZERO,
        }
    }

    /// A point is reached: puts down what was used since the last one, and looks at the stack.
    ///
    /// # Errors
    /// When the run takes too long even for one that is profiled.
    pub(crate) fn point(&mut self, mut store: impl AsContextMut) -> wasmtime::Result<()> {
        if self.started.elapsed().saturating_sub(self.looking) > self.allowed.saturating_mul(PATIENCE) {
            return Err(LimitBroken::CpuTime { allowed: self.allowed }.into());
        }
        self.seen += 1;
        let rounds = self.looking.as_micros() / CLOSE_LOOKS.as_micros();
        let every = 4_u64.saturating_pow(u32::try_from(rounds).unwrap_or(u32::MAX));
        if !self.seen.is_multiple_of(every) {
            return Ok(());
        }
        let began = Instant::now();
        let store = store.as_context_mut();
        self.put_down(store.get_fuel()?);
        let trace = WasmBacktrace::force_capture(&store);
        let mut stack = Vec::new();
        for frame in trace.frames().iter().flat_map(failure::frames) {
            let name = frame.function.unwrap_or_else(|| format!("func[{}]", frame.index));
            stack.push(self.function(Function { name, file: frame.place.map(|Place { file, .. }| file) }));
        }
        stack.reverse();
        let next = self.fuel.len();
        let last = *self.stacks.entry(stack.clone()).or_insert(next);
        if last == next {
            self.fuel.push((stack, 0));
        }
        self.last = Some(last);
        self.looking += began.elapsed();
        Ok(())
    }

    fn put_down(&mut self, left: u64) {
        if let Some((_, fuel)) = self.last.and_then(|last| self.fuel.get_mut(last)) {
            *fuel += self.left.saturating_sub(left);
        }
        self.left = left;
    }

    fn function(&mut self, function: Function) -> usize {
        // Code that the compiler has made itself has no place; it belongs to the function of that
        // name all the same.
        let is_same = |known: &Function| *known == function || (function.file.is_none() && known.name == function.name);
        self.functions.iter().position(is_same).unwrap_or_else(|| {
            self.functions.push(function);
            self.functions.len() - 1
        })
    }

    /// The profile, when the run has ended with this fuel left.
    pub(crate) fn finish(mut self, action: ActionId, left: u64) -> Profile {
        self.put_down(left);
        Profile { action, functions: self.functions, stacks: self.fuel.into_iter().filter(|(_, fuel)| *fuel > 0).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_calls_itself_has_used_its_fuel_once() {
        let function = |name: &str| Function { name: name.into(), file: None };
        let profile = Profile {
            action: ActionId::new("gate", "0.1.0").unwrap(),
            functions: vec![function("walk"), function("leaf")],
            stacks: vec![(vec![0], 10), (vec![0, 0], 5), (vec![0, 0, 1], 100)],
        };
        assert_eq!(profile.fuel(), 115);
        let leaf = Share { function: 1, own: 100, total: 100 };
        assert_eq!(profile.shares(), [leaf, Share { function: 0, own: 15, total: 115 }]);
    }
}

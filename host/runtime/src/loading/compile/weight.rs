//! What compiling a component will take, from counts that are cheap to make: before a compiler is
//! started, and before anything waits for it.

use wasmparser::{CompositeInnerType, FunctionBody, Operator, Parser, Payload};

use crate::error::LoadError;
use crate::limits::{HostLimits, amount};

/// Up to these a component is compiled in the short lane. An Action in Rust has 400 functions, 100
/// kB of code and 30,000 blocks × locals; one in Python 13,739 functions, 6.6 MB and 1,800,000.
const SHORT: Weight = Weight { functions: 5_000, code_bytes: 2 << 20, block_locals: 1_000_000 };

/// Types of a module that are looked at: validation refuses a module with more.
const MOST_TYPES: usize = 1_000_000;

/// Who a component is compiled beside. A component of the long lane never waits for, nor holds up,
/// one of the short lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompileLane {
    /// Components that are compiled in a moment. One that takes longer than ten seconds there is
    /// [`LoadError::NotShort`].
    Short,
    /// All others.
    Long,
}

/// The counts that a compiler's time grows with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    functions: usize,
    code_bytes: usize,
    /// For each function, its blocks times its local variables: a compiler follows each variable
    /// through each block.
    block_locals: usize,
}

/// The lane of a component. What can't be read is the compiler's to refuse, with its own words.
///
/// # Errors
/// When one of the counts is over its limit.
pub(crate) fn lane(name: &str, component: &[u8], limits: &HostLimits) -> Result<CompileLane, LoadError> {
    Weight::of(component, limits).0.lane(name, limits)
}

/// The lane of a component whose sections and functions can be read to the end.
///
/// # Errors
/// When one of the counts is over its limit, or something can't be read.
pub(crate) fn check(name: &str, component: &[u8], limits: &HostLimits) -> Result<CompileLane, LoadError> {
    let (weight, read) = Weight::of(component, limits);
    let lane = weight.lane(name, limits)?;
    read.map(|()| lane).map_err(|reason| LoadError::Invalid { name: name.to_owned(), reason })
}

impl Weight {
    fn is_within(&self, other: &Self) -> bool {
        self.functions <= other.functions && self.code_bytes <= other.code_bytes && self.block_locals <= other.block_locals
    }

    /// The counts as far as the component can be read, or until one of them is over its limit; and
    /// why it can't be read further.
    fn of(component: &[u8], limits: &HostLimits) -> (Self, Result<(), String>) {
        let mut weight = Self::default();
        let mut module = Module::default();
        for payload in Parser::new(0).parse_all(component) {
            let read = match payload {
                // Noise looks like one: most numbers are no section's.
                Ok(Payload::UnknownSection { id, range, .. }) => {
                    return (weight, Err(format!("there is no section {id} (at offset 0x{:x})", range.start)));
                }
                payload => payload.and_then(|payload| module.read(payload, &mut weight, limits)),
            };
            if let Err(error) = read {
                return (weight, Err(error.to_string()));
            }
            if weight.functions > limits.functions || weight.block_locals > limits.block_locals {
                break;
            }
        }
        (weight, Ok(()))
    }

    fn lane(&self, name: &str, limits: &HostLimits) -> Result<CompileLane, LoadError> {
        let over = |limit, what, given, allowed, remedy| {
            let (given, allowed) = (amount::number(given), amount::number(allowed));
            Err(LoadError::TooComplex {
                name: name.to_owned(),
                limit,
                reason: format!("{what}: {given}, at most {allowed}"),
                remedy,
            })
        };
        if self.functions > limits.functions {
            let remedy = "leave out what the Action doesn't call, or write it as several Actions";
            return over("functions", "functions", self.functions, limits.functions, remedy);
        }
        if self.block_locals > limits.block_locals {
            let what = "blocks × local variables, over all functions";
            let remedy = "functions with fewer branches or fewer variables compile faster";
            return over("block_locals", what, self.block_locals, limits.block_locals, remedy);
        }
        Ok(if self.is_within(&SHORT) { CompileLane::Short } else { CompileLane::Long })
    }
}

/// What of a core module its functions' bodies need.
#[derive(Default)]
struct Module {
    /// Of each type.
    parameters: Vec<u16>,
    /// The types of its functions.
    types: Vec<u32>,
    /// Bodies that were read.
    bodies: usize,
}

impl Module {
    fn read(&mut self, payload: Payload<'_>, weight: &mut Weight, limits: &HostLimits) -> wasmparser::Result<()> {
        match payload {
            // Modules don't have modules in them: each begins when the one before has ended.
            Payload::ModuleSection { .. } => *self = Self::default(),
            Payload::TypeSection(types) => {
                for group in types {
                    self.parameters.extend(group?.types().map(|ty| match &ty.composite_type.inner {
                        CompositeInnerType::Func(function) => u16::try_from(function.params().len()).unwrap_or(u16::MAX),
                        _ => 0,
                    }));
                    if self.parameters.len() > MOST_TYPES {
                        break;
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                weight.functions = weight.functions.saturating_add(functions.count() as usize);
                if weight.functions > limits.functions {
                    return Ok(());
                }
                for ty in functions {
                    self.types.push(ty?);
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body, weight)?,
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>, weight: &mut Weight) -> wasmparser::Result<()> {
        let ty = self.types.get(self.bodies).and_then(|ty| self.parameters.get(*ty as usize));
        self.bodies += 1;
        let mut locals = ty.copied().map_or(0, usize::from);
        for declared in body.get_locals_reader()? {
            locals = locals.saturating_add(declared?.0 as usize);
        }
        let mut blocks: usize = 1;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::Else => blocks += 1,
                // Each target is an edge, by which each variable may come.
                Operator::BrTable { targets } => blocks = blocks.saturating_add(targets.len() as usize),
                _ => {}
            }
        }
        weight.code_bytes = weight.code_bytes.saturating_add(body.as_bytes().len());
        weight.block_locals = weight.block_locals.saturating_add(blocks.saturating_mul(locals));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn component(module: &str) -> Vec<u8> {
        wat::parse_str(format!("(component (core module {module}))")).unwrap()
    }

    fn refused(component: &[u8]) -> String {
        lane("bomb", component, &HostLimits::default()).unwrap_err().to_string()
    }

    #[test]
    fn an_action_in_rust_is_compiled_in_the_short_lane() {
        let limits = HostLimits::default();
        for action in [vestibule_test_artifacts::EVERY_EFFECT, vestibule_test_artifacts::SENDS_REQUESTS] {
            assert_eq!(lane("action", action, &limits).unwrap(), CompileLane::Short);
        }
        assert_eq!(lane("action", b"no component", &limits).unwrap(), CompileLane::Short, "the compiler refuses it");
    }

    #[test]
    fn what_can_not_be_read_to_the_end_is_refused_before_it_is_compiled() {
        let limits = HostLimits::default();
        let refused = |component: &[u8]| check("noise", component, &limits).unwrap_err().to_string();
        let action = vestibule_test_artifacts::EVERY_EFFECT;
        assert_eq!(check("action", action, &limits).unwrap(), CompileLane::Short);
        let preamble = action.get(..8).unwrap();
        for (noise, told) in
            [(&[7_u8; 100][..], "unexpected end"), (&[0xaa; 100], "malformed section id"), (&[99, 1, 0], "no section 99")]
        {
            let refused = refused(&[preamble, noise].concat());
            assert!(refused.starts_with("noise can't be compiled: ") && refused.contains(told), "{refused}");
        }
        assert!(refused(action.get(..action.len() - 1).unwrap()).contains("noise can't be compiled"));
        let many = component(&"(func)".repeat(limits.functions + 1));
        assert!(refused(&many).contains("(limit `functions`)"), "the counts have their limits here, too");
    }

    #[test]
    fn functions_just_fit_and_one_more_is_refused_with_its_count() {
        let limits = HostLimits { functions: 6_000, ..HostLimits::default() };
        let of = |count: usize| lane("many", &component(&"(func)".repeat(count)), &limits);
        assert_eq!(of(5_000).unwrap(), CompileLane::Short);
        assert_eq!(of(6_000).unwrap(), CompileLane::Long);
        let told = of(6_001).unwrap_err().to_string();
        assert!(told.contains("functions: 6,001, at most 6,000 (limit `functions`)"), "{told}");
    }

    #[test]
    fn blocks_count_times_locals_and_parameters() {
        let loops = "loop end ".repeat(20_000);
        let told = refused(&component(&format!("(func (local {}) {loops})", "i64 ".repeat(5_000))));
        assert!(told.contains("blocks × local variables, over all functions: 100,005,000, at most 10,000,000"), "{told}");
        let told = refused(&component(&format!("(func (param {}) {loops})", "i64 ".repeat(1_000))));
        assert!(told.contains("20,001,000"), "{told}");
        // The first module's types are not the second's.
        let mut two = "(component (core module (func (param i32 i32)))".to_owned();
        let _ = write!(two, "(core module (func (param {}) {loops})))", "i64 ".repeat(1_000));
        assert!(refused(&wat::parse_str(two).unwrap()).contains("20,001,002"));
        let table = format!("(func (local {}) (br_table {} (i32.const 0)))", "i64 ".repeat(100), "0 ".repeat(200_000));
        assert!(refused(&component(&table)).contains("(limit `block_locals`)"));
    }
}

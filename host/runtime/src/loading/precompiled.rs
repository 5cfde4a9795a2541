//! Compiled code, and the one place where it becomes a component: the one `unsafe` of this project.
//!
//! wasmtime runs compiled code as it is given, without a look at what it does. So code is a
//! [`Precompiled`] only where this host knows that its own compiler has made it, and each of the
//! three ways to make one says how.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::loading::compilation_cache::Verified;
use crate::loading::compile::Answered;

/// Code that this process has compiled. Only [`Precompiled::here`] can make one: its field is this
/// module's own.
pub(crate) struct Own(Vec<u8>);

/// Code that wasmtime's compiler has made for a host like this one.
pub(crate) enum Precompiled {
    /// By this process, just now.
    Here(Own),
    /// By a compiler's process that this host has started: what has come over a pipe that no
    /// other process holds.
    Answered(Answered),
    /// By a host that has this host's key: the file's MAC is right.
    Kept(Verified),
}

impl Precompiled {
    /// Compiles a component in this process.
    pub(crate) fn here(engine: &Engine, component: &[u8]) -> wasmtime::Result<Self> {
        engine.precompile_component(component).map(|code| Self::Here(Own(code)))
    }

    /// The code.
    pub(crate) fn code(&self) -> &[u8] {
        match self {
            Self::Here(Own(code)) => code,
            Self::Answered(answered) => answered.code(),
            Self::Kept(verified) => verified.code(),
        }
    }

    /// The component.
    #[allow(unsafe_code, reason = "wasmtime can't check code that has been compiled; this type is the proof that it needn't")]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` wants bytes that `precompile_component` has returned, unchanged.
        // wasmtime itself refuses those of another version, processor or setting; for the rest:
        //
        // - `Here`: they are what `precompile_component` has returned in this process. Only `here`
        //   makes one, and nothing changes it.
        // - `Answered`: the process is a program that this host's operator has named, and by
        //   default this very binary (through `/proc/self/exe`, whatever has become of the file
        //   since). It got nothing from its environment, and its standard output is a pipe that was
        //   made for it: this process has its one other end. It answered in full, and with this
        //   engine's fingerprint, so the bytes are what its `precompile_component` has returned.
        //   Not covered: a component that takes over the compiler itself while it is compiled. It
        //   could answer with code of its own. Cranelift and its validator are safe Rust, so that
        //   takes a fault in safe Rust's own guarantees; a fault that makes them compute, fill
        //   memory or panic stays in that process. Nor is a wrong translation covered, by this or
        //   by any way of loading: that is wasmtime's own promise.
        // - `Kept`: only `CompilationCache` makes one, after it has read the whole file into memory
        //   of this process, and has found the MAC right that this host's key gives for these
        //   bytes, this engine's fingerprint, this tenant and this component. A process that can
        //   make such a MAC has the key, and has had one of the two cases above. The check and this
        //   call have one and the same copy.
        //
        // In all three the bytes are this process's own memory, borrowed for the time of the call,
        // and `deserialize` copies them.
        unsafe { Component::deserialize(engine, self.code()) }
    }
}

//! The contract's host side, generated from `wit/`.

#![allow(missing_docs, unreachable_pub, reason = "generated from the contract, which is documented")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "post-login",
    imports: { default: trappable },
    exports: { default: async },
});

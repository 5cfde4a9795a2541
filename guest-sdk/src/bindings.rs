//! The contract's guest side, generated from `wit/`.
//!
//! The generated code is the one place of this crate with `unsafe`: it reads and writes linear
//! memory as the canonical ABI lays values out. That it does so rightly is wit-bindgen's promise;
//! nothing in here is written by hand.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated from the contract")]

wit_bindgen::generate!({
    path: "wit",
    world: "post-login",
    pub_export_macro: true,
    export_macro_name: "export_post_login",
    default_bindings_module: "::vestibule_sdk::__private::bindings",
});

//! The contract as Rust types, made from `sdk/wit`. Private: the rest of the crate speaks `hob_model` and this crate's own types.

#![allow(missing_docs, reason = "generated; the contract's own comments are in sdk/wit/bot.wit")]

wasmtime::component::bindgen!({
    path: "../../sdk/wit",
    world: "bot",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "hob:bot/document.document": crate::Document },
});

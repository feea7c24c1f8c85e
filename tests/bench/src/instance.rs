//! `fresh-instance`: one run of a bot that does nothing, against bare wasmtime doing the same with the same pool.
//!
//! Both instantiate the same compiled component, call its `handle` with the same event, and drop it. What is between them is what Hob adds to every
//! run: limits, CPU metering, a clock and randomness that can be replayed, the log, the journal.

use std::sync::Arc;

use hob_engine::{Engine, EngineConfig, RunInput};
use hob_model::{Cause, Manifest, Payload};
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceTable, ResourceType};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::pool;
use crate::report::{Goal, Outcome, Row};
use crate::runs;
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::whole_run::{Server, outside};

/// What the linker makes a resource of whose functions trap.
#[allow(unreachable_pub, reason = "the generated code exports it again")]
pub type Unit = ();

mod bindings {
    #![allow(missing_docs, reason = "generated; the contract's own comments are in sdk/wit/bot.wit")]
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        world: "bot",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "hob:bot/document.document": super::Unit },
    });
}
use bindings::hob::bot::types;

const ROUNDS: usize = 30;
const ROUND: usize = 200;
const MANIFEST: &str = include_str!("../component/bot.toml");

/// A store of the floor: WASI and nothing else.
struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Measures.
pub(crate) async fn bench() -> Outcome<Row> {
    let scan = wasmtime::PoolingAllocationConfig::is_pagemap_scan_available();
    eprintln!(
        "fresh-instance: {ROUNDS} rounds of {ROUND}; the kernel has {}page scan (PAGEMAP_SCAN)",
        if scan { "" } else { "no " }
    );
    let bytes = crate::component("bench_bot.wasm")?;
    let config = EngineConfig::default();
    let release = Engine::new(config.clone())?.prepare(&bytes, &Manifest::parse(MANIFEST, "bot.toml")?)?;

    let engine = wasmtime::Engine::new(&pool::config(&config))?;
    let component = Component::from_binary(&engine, &bytes)?;
    let mut linker = Linker::<Bare>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    trap_the_rest(&mut linker, &engine, &component)?;
    let bare = bindings::BotPre::new(linker.instantiate_pre(&component)?)?;

    let nothing = Arc::new(Server::NOTHING);
    let mut rounds = Rounds::default();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let mut figures = Vec::with_capacity(ROUND);
        for _ in 0..ROUND {
            let (input, fhir) = (input()?, nothing.clone());
            let begun = Stopwatch::start();
            let output = release.run(input, outside(fhir)).await;
            if let Err(failure) = &output.result {
                return Err(format!("the bot failed: {}", failure.code).into());
            }
            drop(output);
            figures.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        let ours = median(figures);
        let mut figures = Vec::with_capacity(ROUND);
        for _ in 0..ROUND {
            let event = event()?;
            let begun = Stopwatch::start();
            let mut store = Store::new(&engine, Bare { wasi: WasiCtxBuilder::new().build(), table: ResourceTable::new() });
            // The code checks the epoch; nobody advances it here.
            store.set_epoch_deadline(1 << 32);
            let bot = bare.instantiate_async(&mut store).await?;
            let answer = bot.call_handle(&mut store, &event).await?;
            drop(store);
            figures.push(begun.elapsed().as_secs_f64() * 1e6);
            if answer.is_err() {
                return Err("the bot failed on bare wasmtime".into());
            }
        }
        if round > 0 {
            rounds.ours.push(ours);
            rounds.floor.push(median(figures));
            rounds.n += ROUND;
        }
    }
    let (median, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(Row { name: "fresh-instance", n: rounds.n, median, unit: "us", floor: Some(floor), goal: Goal::AtMost(1.25) })
}

/// Defines what the bot imports beyond WASI; it calls none of it on an invocation.
fn trap_the_rest(linker: &mut Linker<Bare>, engine: &wasmtime::Engine, component: &Component) -> Outcome<()> {
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if !interface.starts_with("hob:bot/") {
            continue;
        }
        let mut defined = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    defined.func_new(name, |_, _, _, _| Err(wasmtime::Error::msg("the floor has no host")))?;
                }
                ComponentItem::Resource(_) => defined.resource(name, ResourceType::host::<Unit>(), |_, _| Ok(()))?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// An invocation of a bot without a source.
fn input() -> Outcome<RunInput> {
    let mut input = runs::input(Cause::Invoke { requester: "bench".to_owned() }, Payload::default())?;
    input.event.source = None;
    Ok(input)
}

/// The same as the guest gets it.
fn event() -> Outcome<types::Event> {
    let input = input()?;
    Ok(types::Event {
        id: input.event.id.to_string(),
        run: input.run.to_string(),
        tenant: input.event.tenant.to_string(),
        source: None,
        trigger: "invoke".to_owned(),
        occurred: None,
        received: input.now.to_string(),
        deadline: input.now.to_string(),
        attempt: 1,
        hop: 0,
        attributes: r#"{"requester":"bench"}"#.to_owned(),
        payload: None,
        resource: None,
    })
}

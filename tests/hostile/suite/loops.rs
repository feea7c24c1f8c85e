//! Loops, in every place where a component's code can run, naps, and stacks that do not end.

use crate::case::{Case, bytes, wat};
use crate::core::component_of;
use crate::stage::{SMALL, TALKATIVE};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        wat("loop-plain", SMALL).over("cpu-ms"),
        wat("loop-in-start", SMALL).over("cpu-ms"),
        wat("loop-in-initialize", SMALL).over("cpu-ms"),
        wat("loop-in-realloc", SMALL).over("cpu-ms"),
        wat("loop-in-post-return", SMALL).over("cpu-ms"),
        wat("loop-in-destructor", SMALL).over("cpu-ms"),
        wat("loop-of-tail-calls", SMALL).over("cpu-ms"),
        wat("loop-around-settings", TALKATIVE).over("cpu-ms"),
        wat("loop-on-the-clock", SMALL).over("cpu-ms"),
        wat("loop-on-ready", SMALL).over("cpu-ms"),
        wat("loop-of-naps", &SMALL.replace("2000", "200")).over("wall-ms"),
        wat("loop-of-fills", &SMALL.replace("memory-mib = 16", "memory-mib = 64")).over("cpu-ms"),
        wat("sleep-for-ever", &SMALL.replace("2000", "200")).over("wall-ms"),
        wat("sleep-on-thousands", &SMALL.replace("wall-ms = 2000", "wall-ms = 400").replace("cpu-ms = 60", "cpu-ms = 2000"))
            .over("wall-ms"),
        wat("pollables-never-dropped", &SMALL.replace("cpu-ms = 60", "cpu-ms = 1000")).clutches(),
        wat("poll-of-nothing", SMALL).traps(&["the sandbox refused a call"]),
        wat("recursion-plain", SMALL).exhausts(),
        wat("recursion-mutual", SMALL).exhausts(),
        wat("recursion-indirect", SMALL).exhausts(),
        wat("recursion-in-realloc", SMALL).exhausts(),
        bytes("recursion-wide", SMALL, wide).exhausts(),
    ]
}

/// A recursion whose every frame holds a thousand values.
fn wide() -> Vec<u8> {
    let values = 1_000;
    let gather: String = (0..values).map(|at| format!("(local.set {} (i64.load (i32.const {})))\n", at + 1, at * 8)).collect();
    let spend: String = (0..values).map(|at| format!("(i64.store (i32.const {}) (local.get {}))\n", at * 8, at + 1)).collect();
    component_of(&format!(
        "(func $down (param i32) (result i32) (local {})\n{gather}(local.set 0 (call $down (local.get 0)))\n{spend}(local.get 0))
         (func (export \"handle\") (param i32) (result i32) (call $down (i32.const 0)))",
        "i64 ".repeat(values)
    ))
}

#[test]
fn loops() {
    crate::judge::group("loops", cases());
}

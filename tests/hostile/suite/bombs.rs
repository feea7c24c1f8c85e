//! Components that are hard to compile, each tried in a process of its own, whose engine has the compiler in one more: refused for what they have too
//! much of, or when the compiler is at its limit.

use crate::bytes::{COMPONENT, NESTED, number};
use crate::case::{Case, bytes};
use crate::core::component_of;
use crate::stage::SMALL;

/// Which of its limits, of time and of memory, a compiler meets first is up to the machine.
const SLOW: &[&str] = &["the compiler went over its limit of"];

pub(crate) fn cases() -> Vec<Case> {
    let bomb = |name: &str, fields: fn() -> String| bytes(name, SMALL, move || component_of(&fields()));
    let (slow, large) = ("CompileLimit", "TooMuch");
    vec![
        bomb("bomb-of-functions", functions).refused(slow, SLOW).apart(),
        bomb("bomb-of-blocks", blocks).refused(slow, SLOW).apart(),
        bomb("bomb-of-ifs", ifs).refused(slow, SLOW).apart(),
        bomb("bomb-of-targets", targets).refused(large, &["bytes in one function"]).apart(),
        bomb("bomb-of-locals", locals).refused(slow, SLOW).apart(),
        bomb("bomb-of-a-function", function).refused(large, &["bytes in one function"]).apart(),
        bomb("bomb-of-types", types).refused(large, &["types"]).apart(),
        bomb("bomb-of-data", data).refused(large, &["segments"]).apart(),
        bytes("bomb-of-components", SMALL, components).refused(large, &["levels of components"]).apart(),
    ]
}

/// 100,000 functions.
fn functions() -> String {
    (0..100_000).map(|n| format!("(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))\n")).collect()
}

/// Blocks in blocks, 100,000 deep.
fn blocks() -> String {
    format!("(func {} {})", "block ".repeat(100_000), "end ".repeat(100_000))
}

/// Conditions in conditions, 20,000 deep, each of which carries a value.
fn ifs() -> String {
    let depth = 20_000;
    format!(
        "(func (param i32) (result i32) local.get 0 {} {})",
        "local.get 0 if (param i32) (result i32) i32.const 1 i32.add ".repeat(depth),
        "else end ".repeat(depth)
    )
}

/// A hundred jumps with 50,000 targets each.
fn targets() -> String {
    let table = format!("block local.get 0 br_table {} end\n", "0 ".repeat(50_000));
    format!("(func (param i32) {})", table.repeat(100))
}

/// 40,000 locals, which all live through a thousand loops.
fn locals() -> String {
    let count = 40_000;
    let sets: String = (1..=count).map(|n| format!("local.get 0 local.set {n}\n")).collect();
    let gets: String = (1..=count).map(|n| format!("local.get {n} i32.add\n")).collect();
    let turns = "loop local.get 0 br_if 0 local.get 1 local.set 2 end\n".repeat(1_000);
    format!("(func (param i32) (result i32) (local {})\n{sets}{turns}i32.const 0 {gets})", "i32 ".repeat(count))
}

/// One function of 2 MiB.
fn function() -> String {
    format!("(func (param i64) (result i64) local.get 0 {})", "i64.const 3 i64.mul local.get 0 i64.xor ".repeat(300_000))
}

/// 200,000 types.
fn types() -> String {
    (0..200_000).map(|n| format!("(type (func (param {} i64)))\n", "i32 ".repeat(n % 16))).collect()
}

/// 100,000 data segments.
fn data() -> String {
    (0..100_000).map(|n| format!("(data (i32.const {}) \"x\")\n", 2_048 + n % 60_000)).collect()
}

/// Components in components, 30,000 deep.
fn components() -> Vec<u8> {
    // From the inside out: the sizes first, since each preamble is before what it holds.
    let mut size = COMPONENT.len();
    let mut heads = Vec::new();
    for _ in 0..30_000 {
        let head = [COMPONENT, &[NESTED], &number(size)].concat();
        size += head.len();
        heads.push(head);
    }
    heads.reverse();
    [heads.concat(), COMPONENT.to_vec()].concat()
}

#[test]
fn bombs() {
    crate::judge::group("bombs", cases());
}

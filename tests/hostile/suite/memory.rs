//! Memories, tables and instances beyond what the manifest or the host gives.

use crate::bytes::{COMPONENT, CORE_INSTANCE, CORE_MODULE, INSTANCE, NESTED, count, instances, section};
use crate::case::{Case, bytes, nothing, wat};
use crate::core::component_of;
use crate::stage::SMALL;

pub(crate) fn cases() -> Vec<Case> {
    let one = &SMALL.replace("memory-mib = 16", "memory-mib = 1");
    vec![
        wat("grow-at-once", SMALL).over("memory-mib"),
        wat("grow-by-pages", SMALL).over("memory-mib"),
        wat("grow-to-the-limit", one).harmless(nothing),
        wat("grow-past-the-limit", one).over("memory-mib"),
        wat("grow-in-realloc", SMALL).over("memory-mib"),
        wat("memory-over-the-bots", SMALL).over("memory-mib"),
        wat("memory-over-the-hosts", SMALL).refused("Compile", &["memory", "limit"]),
        wat("memories-in-one-module", SMALL).refused("Compile", &["memories count", "limit of 1"]),
        bytes("memories-five", SMALL, || more_modules(&component_of(""), "(memory 1)", 4)).refused("Compile", &["memories", "4"]),
        bytes("memories-in-sum", SMALL, || more_modules(&component_of(""), "(memory 100)", 3)).over("memory-mib"),
        wat("table-over-the-hosts", SMALL).refused("Compile", &["table", "50000"]),
        wat("tables-over-the-bots", one).over("memory-mib"),
        wat("table-grows", one).over("memory-mib"),
        wat("data-out-of-bounds", SMALL).traps(&["out of bounds memory access"]),
        wat("elements-out-of-bounds", SMALL).traps(&["out of bounds table access"]),
        bytes("data-over-the-bots", SMALL, || data(20 << 20)).over("memory-mib"),
        wat("tables-in-one-module", SMALL).refused("Compile", &["tables count", "limit of 1"]),
        bytes("core-instances-47", SMALL, || more_modules(&component_of(""), "", 47)).harmless(nothing),
        bytes("core-instances-49", SMALL, || more_modules(&component_of(""), "", 48)).refused("Compile", &["instances", "48"]),
        bytes("component-instances-2000", SMALL, component_instances).refused("TooMuch", &["instances"]),
        bytes("nested-5000-deep", SMALL, || nested(5_000)).refused("TooMuch", &["levels"]).apart(),
        bytes("memory-limit-of-the-manifest", "[limits]\nmemory-mib = 4000\n", || component_of(""))
            .refused("Limit", &["limits.memory-mib", "1024"]),
        limit("cpu-ms"),
        limit("wall-ms"),
        limit("host-calls"),
        limit("writes"),
        limit("output-kib"),
        limit("log-kib"),
        bytes("wall-of-eternity", "[limits]\nwall-ms = 9223372036854775807\n", || component_of(""))
            .refused("Limit", &["limits.wall-ms"]),
    ]
}

/// A manifest that lifts a limit as far as it goes: whoever deploys is not whoever owns the machine.
fn limit(key: &'static str) -> Case {
    bytes(&format!("limit-without-end-{key}"), &format!("[limits]\n{key} = 4294967295\n"), || component_of(""))
        .refused("Limit", &[&format!("limits.{key}")])
}

/// A memory that is filled by a data segment of so many bytes.
fn data(bytes: usize) -> Vec<u8> {
    let pages = bytes / 65_536 + 2;
    component_of(&format!("(memory (export \"memory\") {pages}) (data (i32.const 65536) \"{}\")", "x".repeat(bytes)))
}

/// A component with so many instances more, of one core module.
pub(crate) fn more_modules(component: &[u8], fields: &str, more: usize) -> Vec<u8> {
    let module = wat::parse_str(format!("(module {fields})")).unwrap();
    let number = count(component, CORE_MODULE);
    [component, &section(CORE_MODULE, &module), &instances(CORE_INSTANCE, number, more)].concat()
}

fn component_instances() -> Vec<u8> {
    let works = component_of("");
    let component = count(&works, NESTED);
    [works, section(NESTED, COMPONENT), instances(INSTANCE, component, 2_000)].concat()
}

/// A component in a component, so deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = COMPONENT.to_vec();
    for _ in 0..depth {
        inner = [COMPONENT, &section(NESTED, &inner)].concat();
    }
    inner
}

#[test]
fn memory() {
    crate::judge::group("memory", cases());
}

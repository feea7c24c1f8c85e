//! Crashes at every stage, and what of WebAssembly is not given.

use crate::case::{Case, wat};
use crate::stage::SMALL;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        wat("trap-in-start", SMALL).traps(&["unreachable"]),
        wat("trap-in-initialize", SMALL).traps(&["unreachable"]),
        wat("trap-in-handle", SMALL).traps(&["unreachable"]),
        wat("trap-in-post-return", SMALL).traps(&["unreachable"]),
        wat("trap-in-destructor", SMALL).traps(&["unreachable"]),
        wat("divide-by-zero", SMALL).traps(&["divide by zero"]),
        wat("convert-a-nan", SMALL).traps(&["invalid conversion to integer"]),
        wat("load-out-of-bounds", SMALL).traps(&["out of bounds memory access"]),
        wat("call-of-another-type", SMALL).traps(&["indirect call type mismatch"]),
        wat("call-of-nothing", SMALL).traps(&["uninitialized element"]),
        wat("call-outside-the-table", SMALL).traps(&["out of bounds"]),
        wat("exit-well", SMALL).traps(&["exited"]),
        wat("exit-in-initialize", SMALL).traps(&["exited"]),
        wat("memory64", SMALL).refused("Compile", &["memory64"]),
        wat("shared-memory", SMALL).refused("Compile", &["threads"]),
        wat("atomics", SMALL).refused("Compile", &["threads"]),
        wat("garbage", SMALL).refused("Compile", &["unknown type"]),
        wat("exceptions", SMALL).refused("Compile", &["exceptions"]),
        wat("custom-page-sizes", SMALL).refused("Compile", &["custom page sizes"]),
        wat("wide-arithmetic", SMALL).refused("Compile", &["wide arithmetic"]),
        wat("stack-switching", SMALL).refused("Compile", &["stack switching"]),
    ]
}

#[test]
fn traps() {
    crate::judge::group("traps", cases());
}

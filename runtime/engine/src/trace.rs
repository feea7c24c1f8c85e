//! Where a guest was when it was stopped: names of functions, and files with lines where the component has debug sections and the engine reads them.

use rustc_demangle::demangle;
use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

/// Frames that are named, from the innermost.
const MOST: usize = 16;

/// Folders of code that is not the author's: the standard libraries, packages, and the SDK as a project has it.
const OTHERS: [&str; 7] =
    ["/rustc/", "/.cargo/registry/", "/lib/rustlib/", "/.cargo/git/", "wasisdk://", "hob/rust/src/", "sdk/rust/src/"];

/// Beginnings of names of functions that are not the author's: Rust's libraries, and what calls a bot.
const LIBRARIES: [&str; 12] = [
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "__rustc",
    "rust_",
    "_start",
    "cabi_",
    "hob_sdk::wasm::",
    "<hob_sdk::wasm::",
];

/// Functions of interpreters: what they were at tells nothing of the bot.
const INTERPRETERS: [&str; 2] = ["JS_CallInternal", "_PyEval_EvalFrameDefault"];

/// The guest's functions, from the innermost. Where some have a file, only those that do and are not a library's; none of an interpreter's.
pub(crate) fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    let functions = || backtrace.frames().iter().filter_map(FrameInfo::func_name);
    if functions().any(|name| INTERPRETERS.contains(&name)) {
        return Vec::new();
    }
    let placed: Vec<String> = backtrace.frames().iter().flat_map(FrameInfo::symbols).filter_map(place).collect();
    let mut names = if placed.is_empty() { authors(functions().map(plain).collect()) } else { placed };
    names.dedup();
    names.truncate(MOST);
    names
}

/// A name as it stands in the source, without the hash that tells its copies apart.
fn plain(name: &str) -> String {
    format!("{:#}", demangle(name))
}

/// The names that are the author's; all of them where none is.
fn authors(names: Vec<String>) -> Vec<String> {
    let is_own = |name: &&String| name.contains("::") && !LIBRARIES.iter().any(|library| name.starts_with(library));
    let own: Vec<String> = names.iter().filter(is_own).cloned().collect();
    // What the component exports is where every run is.
    if own.is_empty() { names.into_iter().filter(|name| name != "handle").collect() } else { own }
}

fn place(symbol: &FrameSymbol) -> Option<String> {
    let file = symbol.file().filter(|file| !OTHERS.iter().any(|other| file.contains(other)))?;
    let name = symbol.name().map_or_else(|| "?".to_owned(), plain);
    let line = symbol.line().map_or_else(String::new, |line| format!(":{line}"));
    Some(format!("{name} ({file}{line})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_sources_and_the_authors_go_before_all_others() {
        let mangled =
            ["_ZN4core9panicking19assert_failed_inner17h824e02d0328a0163E", "_ZN8beginner6handle17h1a72542efafc7084E", "handle"];
        let all: Vec<String> = mangled.into_iter().map(plain).collect();
        assert_eq!(all, ["core::panicking::assert_failed_inner", "beginner::handle", "handle"]);
        assert_eq!(authors(all), ["beginner::handle"]);
        assert_eq!(authors(vec!["run".to_owned(), "main".to_owned()]), ["run", "main"]);
        assert!(authors(vec!["handle".to_owned()]).is_empty());
    }
}

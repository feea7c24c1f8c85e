//! Where a guest was when it trapped: names of functions, and files with lines where the component has debug sections and the engine reads them.

use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

/// Frames that are named, from the innermost.
const MOST: usize = 16;

/// Folders of code that is not the author's: the standard libraries and packages.
const OTHERS: [&str; 5] = ["/rustc/", "/.cargo/registry/", "/lib/rustlib/", "/.cargo/git/", "wasisdk://"];

/// Functions of interpreters: what they were at tells nothing of the bot.
const INTERPRETERS: [&str; 2] = ["JS_CallInternal", "_PyEval_EvalFrameDefault"];

/// The guest's functions, from the innermost. Where some have a file, only those that do and are not a library's; none of an interpreter's.
pub(crate) fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    let interprets = |frame: &FrameInfo| frame.func_name().is_some_and(|name| INTERPRETERS.contains(&name));
    if backtrace.frames().iter().any(interprets) {
        return Vec::new();
    }
    let placed: Vec<String> = backtrace.frames().iter().flat_map(FrameInfo::symbols).filter_map(place).collect();
    let mut names = if placed.is_empty() {
        backtrace.frames().iter().filter_map(FrameInfo::func_name).map(str::to_owned).collect()
    } else {
        placed
    };
    names.dedup();
    names.truncate(MOST);
    names
}

fn place(symbol: &FrameSymbol) -> Option<String> {
    let file = symbol.file().filter(|file| !OTHERS.iter().any(|other| file.contains(other)))?;
    let name = symbol.name().unwrap_or("?");
    let line = symbol.line().map_or_else(String::new, |line| format!(":{line}"));
    Some(format!("{name} ({file}{line})"))
}

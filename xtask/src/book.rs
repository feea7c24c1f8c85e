//! The book: the pages of `docs`, in the order of `docs/SUMMARY.md`.

use std::process::Command;

use crate::shell;

/// Makes it in `target/book`; `--open` shows it.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    if !matches!(args, [] | ["--open"]) {
        return Err(format!("book takes --open, not {}", args.join(" ")));
    }
    if !shell::succeeds("mdbook", &["--version"]) {
        return Err("mdbook is missing: `cargo install --locked mdbook`".into());
    }
    shell::step("the book, in target/book", Command::new("mdbook").arg("build").args(args).current_dir(shell::root()))
}

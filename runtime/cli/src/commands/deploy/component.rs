//! Where a bot's component is.

use std::path::{Path, PathBuf};

use hob_model::Manifest;

use crate::commands::files;
use crate::error::CliError;
use crate::exit_code;

/// Folders under a `target` in which cargo leaves a component, the best first.
const BUILT: [&str; 5] = [
    "target/bots/wasm32-wasip2/bot",
    "target/wasm32-wasip2/bot",
    "target/wasm32-wasip2/release",
    "target/bots/wasm32-wasip2/release",
    "target/wasm32-wasip2/debug",
];

/// The file that was named, or the manifest's, or what cargo built here or in the workspace around.
pub(crate) fn find(dir: &Path, manifest: &Manifest, named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let beside = dir.join(&manifest.component);
    if beside.is_file() {
        return Ok(beside);
    }
    let file = Path::new(&manifest.component).file_name().unwrap_or_default();
    let absolute = dir.canonicalize().map_err(|error| CliError::unreadable(dir, &error))?;
    absolute
        .ancestors()
        .flat_map(|folder| BUILT.iter().map(move |built| folder.join(built).join(file)))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let help = "build it (`cargo build --release --target wasm32-wasip2`, or `cargo xtask bots` for the shipped bots), or name it with --component FILE";
            CliError::new(exit_code::FILE, "component-missing", format!("there is no component `{}`", manifest.component), help)
                .at(dir.display())
        })
}

/// The component's bytes, if they can be one: the host checks the rest.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = files::read(path)?;
    let refuse =
        |message: &str, help: &str| Err(CliError::new(exit_code::DATA, "no-component", message, help).at(path.display()));
    // The preamble of the binary formats: the layer is 0 for a module, 1 for a component.
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(bytes),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => {
            refuse("the file is a WebAssembly module and no component", "build for the target wasm32-wasip2")
        }
        _ => refuse("the file is no WebAssembly component", "name a .wasm file built for the target wasm32-wasip2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(dir: &Path) -> (PathBuf, Manifest) {
        let bot = dir.join("bots/some-bot");
        std::fs::create_dir_all(&bot).unwrap();
        let manifest =
            Manifest::parse("name = \"some-bot\"\nversion = \"1\"\ndescription = \"x\"\n[[on]]\ninvoke = true\n", "bot.toml");
        (bot, manifest.unwrap())
    }

    #[test]
    fn beside_the_manifest_goes_before_what_cargo_built_and_a_name_before_both() {
        let dir = tempfile::tempdir().unwrap();
        let (bot, manifest) = bot(dir.path());
        assert_eq!(find(&bot, &manifest, None).unwrap_err().code, "component-missing");
        let built = dir.path().join("target/wasm32-wasip2/release");
        std::fs::create_dir_all(&built).unwrap();
        std::fs::write(built.join("some_bot.wasm"), "x").unwrap();
        let found = find(&bot, &manifest, None).unwrap();
        assert_eq!(found.canonicalize().unwrap(), built.join("some_bot.wasm").canonicalize().unwrap());
        std::fs::write(bot.join("some_bot.wasm"), "x").unwrap();
        assert_eq!(find(&bot, &manifest, None).unwrap(), bot.join("some_bot.wasm"));
        assert_eq!(find(&bot, &manifest, Some(Path::new("y.wasm"))).unwrap(), Path::new("y.wasm"));
    }

    #[test]
    fn a_module_is_told_from_a_component() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.wasm");
        for (bytes, good) in [
            (&b"\0asm\x0d\0\x01\0"[..], true),
            (&b"\0asm\x01\0\0\0"[..], false),
            (&b"\0asm"[..], false),
            (&b"not wasm at all"[..], false),
            (&b""[..], false),
        ] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read(&file).is_ok(), good, "{bytes:?}");
        }
    }
}

//! Where a bot's component is.

use std::path::{Path, PathBuf};

use hob_model::Manifest;

use crate::commands::files;
use crate::error::CliError;
use crate::exit_code;

/// The file that was named, or the manifest's, or what cargo built here or in the workspace around.
pub(crate) fn find(dir: &Path, manifest: &Manifest, named: Option<&Path>) -> Result<PathBuf, CliError> {
    Ok(hob_author::project::component(dir, manifest, named)?)
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

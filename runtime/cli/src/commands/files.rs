//! Files that commands read.

use std::io::Read as _;
use std::path::Path;

use crate::error::CliError;
use crate::exit_code;

/// Bytes that a command takes in, at most: far more than a component or a notification has.
const LARGEST: u64 = 256 << 20;

/// The bytes of a file, or of stdin where it is named `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let limited = |input: &mut dyn std::io::Read, bytes: &mut Vec<u8>| input.take(LARGEST + 1).read_to_end(bytes);
    let length = if path == Path::new("-") {
        limited(&mut std::io::stdin().lock(), &mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| limited(&mut file, &mut bytes))
    };
    let length = length.map_err(|error| CliError::unreadable(path, &error))?;
    if length as u64 > LARGEST {
        let message = format!("the file is larger than {} MiB", LARGEST >> 20);
        return Err(CliError::new(exit_code::DATA, "file-too-large", message, "give a smaller one").at(name(path)));
    }
    Ok(bytes)
}

/// What to call a file in an error.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() }
}

/// A file's text.
pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?).map_err(|_| {
        CliError::new(exit_code::DATA, "file-not-text", "the file is not UTF-8 text", "save it as UTF-8").at(name(path))
    })
}

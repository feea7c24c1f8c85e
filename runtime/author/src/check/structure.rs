//! What a component is made of.

use std::collections::BTreeSet;

use wasmparser::{KnownCustom, Parser, Payload};

use crate::AuthorError;
use crate::error::Fault;

/// What a component is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structure {
    /// What it imports, as `package/interface@version`.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Core modules in it.
    pub modules: u32,
    /// Functions in all of them.
    pub functions: u32,
    /// Bytes of code.
    pub code_bytes: u64,
    /// Bytes of data.
    pub data_bytes: u64,
    /// Bytes of debug sections.
    pub debug_bytes: u64,
    /// The tools that it says made it.
    pub tools: Vec<String>,
}

/// Reads the sections of a component.
pub(crate) fn of(component: &[u8]) -> Result<Structure, AuthorError> {
    let wrong = |why: String| AuthorError::new(Fault::Data, "no-component", why, "build it with `hob build`");
    if component.get(..8) == Some(b"\0asm\x01\0\0\0") {
        return Err(wrong("the file is a WebAssembly module and no component".to_owned()));
    }
    let mut found = Structure::default();
    let mut tools = BTreeSet::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| wrong(format!("the file is no WebAssembly component: {error}")))?;
        let size = |range: std::ops::Range<usize>| range.len() as u64;
        match payload {
            Payload::ModuleSection { .. } => {
                depth += 1;
                found.modules += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                found.imports.extend(section.into_iter().flatten().map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                found.exports.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
            }
            Payload::CodeSectionStart { count, range, .. } => {
                found.functions += count;
                found.code_bytes += size(range);
            }
            Payload::DataSection(section) => found.data_bytes += size(section.range()),
            Payload::CustomSection(section) => {
                if section.name().starts_with(".debug") {
                    found.debug_bytes += section.data().len() as u64;
                }
                if let KnownCustom::Producers(fields) = section.as_known() {
                    // Languages are not of interest: an interpreter, or a C library, is in another than the bot.
                    for field in fields.into_iter().flatten().filter(|field| field.name != "language") {
                        let values = field.values.into_iter().flatten();
                        tools.extend(values.map(|value| format!("{} {}", value.name, value.version).trim().to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    found.tools = tools.into_iter().collect();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_there_and_knows_what_is_none() {
        let component = wat::parse_str(
            "(component (import \"hob:bot/fhir@0.1.0\" (instance)) (core module (func nop) (func nop) (memory 1) (data \"abc\")) (instance (export \"x\")))",
        )
        .unwrap();
        let found = of(&component).unwrap();
        assert_eq!((found.imports, found.modules, found.functions), (vec!["hob:bot/fhir@0.1.0".to_owned()], 1, 2));
        assert!(found.code_bytes > 0 && found.data_bytes > 0 && found.debug_bytes == 0);
        assert_eq!(of(&wat::parse_str("(module)").unwrap()).unwrap_err().code, "no-component");
        assert_eq!(of(b"no wasm at all").unwrap_err().code, "no-component");
    }
}

//! The parts of a component, counted before it is compiled: what is built to keep a compiler busy is refused for what it is.
//!
//! Only sections are read here, and of a function its size; that takes a moment whatever the bytes are. That they are valid in all else is found out by the
//! compiler, within its limits. The maxima are several times what the largest components of our three languages have: a Python interpreter with its libraries
//! has some 20,000 functions, the largest of some 200 KiB.

use wasmparser::{Parser, Payload};

use crate::EngineError;

/// The most bytes of a component.
pub(crate) const BYTES: usize = 64 << 20;

/// What is counted over the whole component, however deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Depth,
    Components,
    Modules,
    Types,
    Imports,
    Exports,
    Instances,
    Functions,
    Body,
    Tables,
    Memories,
    Globals,
    Segments,
}

/// The most of each, and its name.
const MOST: [(Part, &str, u64); 13] = [
    (Part::Depth, "levels of components in one another", 8),
    (Part::Components, "components", 256),
    (Part::Modules, "core modules", 256),
    (Part::Types, "types", 50_000),
    (Part::Imports, "imports", 50_000),
    (Part::Exports, "exports", 100_000),
    (Part::Instances, "instances", 1_000),
    (Part::Functions, "functions", 200_000),
    (Part::Body, "bytes in one function", 1 << 20),
    (Part::Tables, "tables", 256),
    (Part::Memories, "memories", 64),
    (Part::Globals, "globals", 50_000),
    (Part::Segments, "segments of data and elements", 50_000),
];

#[derive(Default)]
struct Counts([u64; MOST.len()]);

impl Counts {
    /// Adds to what is counted of a part.
    fn add(&mut self, part: Part, more: u32) -> Result<(), EngineError> {
        let count = self.0[part as usize].saturating_add(more.into());
        self.set(part, count)
    }

    fn set(&mut self, part: Part, count: u64) -> Result<(), EngineError> {
        self.0[part as usize] = count;
        let (_, what, most) = MOST[part as usize];
        if count > most { Err(EngineError::TooMuch { what, count, most }) } else { Ok(()) }
    }
}

/// Reads the sections of a component.
///
/// # Errors
/// [`EngineError::TooMuch`] for what it has more of than any bot needs, [`EngineError::Compile`] where it is cut short or malformed.
pub(crate) fn check(component: &[u8]) -> Result<(), EngineError> {
    if component.len() > BYTES {
        return Err(EngineError::TooMuch { what: "bytes", count: component.len() as u64, most: BYTES as u64 });
    }
    let mut counts = Counts::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| EngineError::Compile(error.to_string()))?;
        match &payload {
            Payload::ModuleSection { .. } => {
                depth += 1;
                counts.add(Part::Modules, 1)?;
            }
            Payload::ComponentSection { .. } => {
                depth += 1;
                counts.add(Part::Components, 1)?;
                counts.set(Part::Depth, depth)?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                counts.set(Part::Body, u64::try_from(range.end.saturating_sub(range.start)).unwrap_or(u64::MAX))?;
            }
            other => {
                if let Some((part, count)) = section(other) {
                    counts.add(part, count)?;
                }
            }
        }
    }
    Ok(())
}

/// What a section has, by the number that stands at its begin.
fn section(payload: &Payload<'_>) -> Option<(Part, u32)> {
    Some(match payload {
        Payload::TypeSection(s) => (Part::Types, s.count()),
        Payload::CoreTypeSection(s) => (Part::Types, s.count()),
        Payload::ComponentTypeSection(s) => (Part::Types, s.count()),
        Payload::ImportSection(s) => (Part::Imports, s.count()),
        Payload::ComponentImportSection(s) => (Part::Imports, s.count()),
        Payload::ExportSection(s) => (Part::Exports, s.count()),
        Payload::ComponentExportSection(s) => (Part::Exports, s.count()),
        // An alias names what another part has, as an import does.
        Payload::ComponentAliasSection(s) => (Part::Imports, s.count()),
        Payload::InstanceSection(s) => (Part::Instances, s.count()),
        Payload::ComponentInstanceSection(s) => (Part::Instances, s.count()),
        Payload::FunctionSection(s) => (Part::Functions, s.count()),
        Payload::ComponentCanonicalSection(s) => (Part::Functions, s.count()),
        Payload::TableSection(s) => (Part::Tables, s.count()),
        Payload::MemorySection(s) => (Part::Memories, s.count()),
        Payload::GlobalSection(s) => (Part::Globals, s.count()),
        Payload::ElementSection(s) => (Part::Segments, s.count()),
        Payload::DataSection(s) => (Part::Segments, s.count()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checked(text: &str) -> Result<(), EngineError> {
        check(&wat::parse_str(text).unwrap())
    }

    fn core(fields: &str) -> String {
        format!("(component (core module {fields}))")
    }

    #[test]
    fn each_part_has_its_maximum() {
        for (at, (part, ..)) in MOST.iter().enumerate() {
            assert_eq!(*part as usize, at);
        }
        let nested = |depth: usize| format!("{}{}", "(component ".repeat(depth + 1), ")".repeat(depth + 1));
        let many = |count: usize, item: &str| item.repeat(count);
        let body = |count: usize| core(&format!("(func {})", many(count, "nop ")));
        for (allowed, refused, what) in [
            (nested(8), nested(9), "levels"),
            (
                format!("(component {})", many(256, "(component)")),
                format!("(component {})", many(257, "(component)")),
                "components",
            ),
            (
                format!("(component {})", many(256, "(core module)")),
                format!("(component {})", many(257, "(core module)")),
                "core modules",
            ),
            (core(&many(1_000, "(type (func))")), core(&many(50_001, "(type (func))")), "types"),
            (core(&many(1_000, "(func)")), core(&many(200_001, "(func)")), "functions"),
            (core(&many(256, "(table 0 funcref)")), core(&many(257, "(table 0 funcref)")), "tables"),
            (core(&many(64, "(memory 0)")), core(&many(65, "(memory 0)")), "memories"),
            (core(&many(100, "(global i32 (i32.const 0))")), core(&many(50_001, "(global i32 (i32.const 0))")), "globals"),
            (body(1_000), body((1 << 20) + 1), "bytes in one function"),
        ] {
            assert!(checked(&allowed).is_ok(), "{what}: {:?}", checked(&allowed));
            let error = checked(&refused).unwrap_err();
            assert!(
                matches!(&error, EngineError::TooMuch { what: named, count, most } if named.starts_with(what) && count > most),
                "{error}"
            );
        }
        let error = check(&vec![0; BYTES + 1]).unwrap_err();
        assert!(error.to_string().contains("67108865 bytes"), "{error}");
    }

    /// The number at a section's begin is believed before its items are there.
    #[test]
    fn a_section_that_only_says_that_it_has_much_is_refused() {
        let module = [&b"\0asm\x01\0\0\0"[..], &[3, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert!(matches!(check(&module), Err(EngineError::TooMuch { what: "functions", count: 0xffff_ffff, .. })));
    }

    proptest! {
        #[test]
        fn what_is_cut_short_or_changed_is_an_error_and_no_panic(cut in 0_usize..400, at in 0_usize..400, flip in 1_u8..) {
            let whole = wat::parse_str("(component (core module (func (export \"f\") (param i32) (result i32) local.get 0) (memory 1) (data \"abc\")) (core instance (instantiate 0)))").unwrap();
            if cut < whole.len() && cut > 0 {
                // A cut between two sections is a smaller component.
                let _ = check(&whole[..cut]);
            }
            let mut changed = whole.clone();
            let at = at % changed.len();
            changed[at] ^= flip;
            let _ = check(&changed);
            prop_assert!(check(&whole[..whole.len().min(12)]).is_err() || whole.len() <= 12);
        }
    }
}

//! From the fields of a core module, as text, to a component of the contract's world. `components/*.wat` hold what is special of each.

use std::path::Path;
use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// The component of `components/NAME.wat`.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wat"));
    let fields = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    component_of(&fields)
}

/// Where the texts are.
pub(crate) fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/components"))
}

/// The component of a core module's fields.
pub(crate) fn component_of(fields: &str) -> Vec<u8> {
    static WORLDS: OnceLock<(Resolve, PackageId)> = OnceLock::new();
    let (resolve, package) = WORLDS.get_or_init(|| {
        let mut resolve = Resolve::default();
        resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/wit")).unwrap();
        let worlds = include_str!("../wit/world.wit");
        let package = resolve.push_str("world.wit", worlds).unwrap();
        (resolve, package)
    });
    let world = if fields.contains("hob:hostile/things") { "things-bot" } else { "bot" };
    let world = resolve.select_world(&[*package], Some(world)).unwrap();
    let mut module = wat::parse_str(module(fields)).unwrap_or_else(|error| panic!("{error}"));
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    // Without validation: the components are to be as bad as they are meant to be.
    ComponentEncoder::default().validate(false).module(&module).and_then(|encoder| encoder.encode()).unwrap()
}

/// The whole module: where the fields do not say otherwise there is a memory of two pages, an allocator that never frees, and an answer. Up to
/// the second page the memory is the fields' own; zeros, such as at 1024, are an answer: ok, with nothing.
fn module(fields: &str) -> String {
    let mut text = format!("(module\n{fields}\n");
    let lacks = |name: &str| !fields.contains(&format!("(export \"{name}\")"));
    if lacks("memory") {
        text.push_str("(memory (export \"memory\") 2)\n");
    }
    if lacks("cabi_realloc") {
        text.push_str(ALLOCATOR);
    }
    if lacks("handle") {
        text.push_str("(func (export \"handle\") (param i32) (result i32) (i32.const 1024))\n");
    }
    text.push_str(")\n");
    text
}

const ALLOCATOR: &str = r#"
(global $top (mut i32) (i32.const 65536))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
  (global.set $top (i32.add (local.get $at) (local.get 3)))
  (loop $more
    (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
      (then
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $more))))
  (local.get $at))
"#;

//! Parts of WebAssembly's binary format, for what no tool would write.

/// The preamble of a component.
pub(crate) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The section of a component that holds a core module, an instance of one, a component.
pub(crate) const CORE_MODULE: u8 = 1;
pub(crate) const CORE_INSTANCE: u8 = 2;
pub(crate) const NESTED: u8 = 4;
pub(crate) const INSTANCE: u8 = 5;
/// And the one that names what it exports.
pub(crate) const EXPORT: u8 = 11;

/// A number as LEB128.
pub(crate) fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// A section.
pub(crate) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// `count` instances without arguments of core module or component number `of`, as a section.
pub(crate) fn instances(id: u8, of: usize, count: usize) -> Vec<u8> {
    let one = [&[0][..], &number(of), &[0]].concat();
    section(id, &[number(count), one.repeat(count)].concat())
}

/// How many sections of a component have this id.
pub(crate) fn count(component: &[u8], id: u8) -> usize {
    sections(component).into_iter().filter(|(section, _)| *section == id).count()
}

/// The sections of a component: the id, and where it ends.
pub(crate) fn sections(component: &[u8]) -> Vec<(u8, usize)> {
    let mut rest = &component[COMPONENT.len()..];
    let mut found = Vec::new();
    while let Some((&section, after)) = rest.split_first() {
        let (mut size, mut shift, mut at) = (0_usize, 0, 0);
        loop {
            size |= usize::from(after[at] & 0x7f) << shift;
            shift += 7;
            at += 1;
            if after[at - 1] & 0x80 == 0 {
                break;
            }
        }
        rest = &after[at + size..];
        found.push((section, component.len() - rest.len()));
    }
    found
}

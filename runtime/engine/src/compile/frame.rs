//! What the compiler's process says on its standard output: one frame, whole or worth nothing.
//!
//! A kind, the length and a digest of what follows, and that. The digest is against a process that dies while it writes, not against one that lies.

use hob_model::Digest;

const CODE: &[u8; 8] = b"hobcode1";
const REFUSED: &[u8; 8] = b"hobnope1";
const HEAD: usize = 8 + 8 + 32;

/// The most machine code of one component.
pub(super) const LONGEST: usize = 1 << 30;

/// What the process made of a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Machine code.
    Code(Vec<u8>),
    /// The compiler's words.
    Refused(String),
}

/// The bytes of a frame.
pub(super) fn framed(said: &Said) -> Vec<u8> {
    let (kind, bytes) = match said {
        Said::Code(code) => (CODE, code.as_slice()),
        Said::Refused(why) => (REFUSED, why.as_bytes()),
    };
    [kind, &(bytes.len() as u64).to_be_bytes()[..], Digest::of(bytes).as_bytes(), bytes].concat()
}

/// Reads a frame; none where it is cut short, longer, or none.
pub(super) fn read(mut bytes: Vec<u8>) -> Option<Said> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    let (kind, rest) = head.split_at(8);
    let (length, digest) = rest.split_at(8);
    if length != (body.len() as u64).to_be_bytes() || Digest::of(body).as_bytes()[..] != *digest {
        return None;
    }
    let is_code = kind == CODE;
    if !is_code && kind != REFUSED {
        return None;
    }
    let body = bytes.split_off(HEAD);
    Some(if is_code { Said::Code(body) } else { Said::Refused(String::from_utf8_lossy(&body).into_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_whole_or_not_at_all() {
        for said in [Said::Code(vec![1, 2, 3]), Said::Refused("no".to_owned()), Said::Code(Vec::new())] {
            let frame = framed(&said);
            for cut in 0..frame.len() {
                assert_eq!(read(frame[..cut].to_vec()), None, "{cut}");
                let mut changed = frame.clone();
                changed[cut] ^= 1;
                assert_ne!(read(changed), Some(Said::Code(vec![1, 2, 3])));
            }
            assert_eq!(read([frame.as_slice(), b"x"].concat()), None);
            assert_eq!(read(frame), Some(said));
        }
    }
}

//! Where one is in a bundle, as a chain on the stack: nothing is allocated until an error is reported.

use core::fmt;

use super::diagnostic::{secret, short};

/// A place in the bundle, like `documents[2].spec.rules[0].paths[1]`.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The bundle itself.
    Root,
    /// A member of the object at that place.
    Member(&'p Path<'p>, &'p str),
    /// An item of the list at that place.
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => plain(name, out),
            Self::Member(parent, name) => {
                write!(out, "{parent}.")?;
                plain(name, out)
            }
            Self::Item(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

/// How the path of a [`Diagnostic`](super::Diagnostic) writes the member `name`: as it is, or quoted, shortened and printable where it would not read as a name.
#[must_use]
pub fn member_name(name: &str) -> String {
    Path::Member(&Path::Root, name).to_string()
}

fn plain(name: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= 48 && secret(name).is_none() && name.bytes().all(is_plain) {
        return out.write_str(name);
    }
    write!(out, "\"{}\"", short(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_the_document() {
        let documents = Path::Member(&Path::Root, "documents");
        let second = Path::Item(&documents, 2);
        let spec = Path::Member(&second, "spec");
        let odd = Path::Member(&spec, "a.b\n");
        assert_eq!(odd.to_string(), "documents[2].spec.\"a.b\\n\"");
    }
}

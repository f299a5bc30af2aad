//! How large a rendered policy may be, and from where on it needs another command.

use std::fmt;

/// Bytes of all annotations of an object (`TotalAnnotationSizeLimitB` of Kubernetes' apimachinery): client-side `kubectl apply` keeps the whole object in one.
const ANNOTATIONS: usize = 256 << 10;
/// Bytes that we put into one object. A ConfigMap's data has 1 MiB at most (`MaxSecretSize` of Kubernetes' API), and etcd's request (1.5 MiB) holds the object's metadata and managed fields too.
const OBJECT: usize = 900 << 10;

/// How an object of some size can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// By any means.
    Fits,
    /// Not by client-side `kubectl apply`.
    NeedsServerSide,
    /// Not in one object.
    TooLarge,
}

/// How an object of so many bytes (as it is sent, manifest and all) can be applied.
pub(crate) fn size(bytes: usize) -> Size {
    if bytes <= ANNOTATIONS {
        Size::Fits
    } else if bytes <= OBJECT {
        Size::NeedsServerSide
    } else {
        Size::TooLarge
    }
}

impl Size {
    /// What to do about `bytes`, if anything.
    pub(crate) fn advice(self, bytes: usize) -> Option<String> {
        match self {
            Self::Fits => None,
            Self::NeedsServerSide => Some(format!(
                "{} is more than client-side `kubectl apply` can keep in an annotation ({}): use `kubectl apply --server-side`",
                Kilobytes(bytes),
                Kilobytes(ANNOTATIONS)
            )),
            Self::TooLarge => Some(format!(
                "{} is more than is put into one Kubernetes object ({}; the API server refuses 1 MiB): take documents out, or split the bundle by what its proxies serve",
                Kilobytes(bytes),
                Kilobytes(OBJECT)
            )),
        }
    }
}

/// A number of bytes in KiB, rounded up.
pub(crate) struct Kilobytes(pub(crate) usize);

impl fmt::Display for Kilobytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} KiB", self.0.div_ceil(1 << 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_inclusive() {
        for (bytes, expected) in [
            (0, Size::Fits),
            (262_144, Size::Fits),
            (262_145, Size::NeedsServerSide),
            (921_600, Size::NeedsServerSide),
            (921_601, Size::TooLarge),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn the_advice_says_both_sizes() {
        assert_eq!(size(1).advice(1), None);
        let advice = size(300_000).advice(300_000).expect("an advice");
        assert!(
            advice.starts_with("293 KiB") && advice.contains("256 KiB") && advice.contains("--server-side"),
            "{advice}"
        );
        let advice = size(1_000_000).advice(1_000_000).expect("an advice");
        assert!(advice.starts_with("977 KiB") && advice.contains("900 KiB"), "{advice}");
    }
}

//! RSA moduli that can be factored by anybody: those that a library of Infineon made for chips, tokens and TPMs (CVE-2017-15361, "ROCA").

/// The primes of the published fingerprint.
const PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus (big-endian) has the fingerprint: modulo each of these primes it is a power of 65537. One of another origin has it once in 2^27.
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power(remainder(modulus, *prime), *prime))
}

/// INVARIANT: `prime` is at most 167, so nothing here comes near the end of a `u64`.
fn remainder(number: &[u8], prime: u64) -> u64 {
    let digit = |rest: u64, byte: &u8| rest.wrapping_mul(256).wrapping_add(u64::from(*byte));
    number
        .iter()
        .fold(0, |rest, byte| digit(rest, byte).checked_rem(prime).unwrap_or(0))
}

fn is_power(rest: u64, prime: u64) -> bool {
    let next = |power: &u64| power.wrapping_mul(65_537).checked_rem(prime);
    let begin = Some(1);
    // The powers come round to 1 after fewer steps than the prime says.
    core::iter::successors(begin, next)
        .take(usize::try_from(prime).unwrap_or(0))
        .any(|power| power == rest)
}

#[cfg(test)]
mod tests {
    use super::{is_power, is_weak, remainder};

    /// By way of the numbers themselves, which are small enough here.
    #[test]
    fn powers_are_found() {
        // Modulo 11, 65537 is 10: its powers are 1 and 10.
        assert_eq!((0..11).filter(|rest| is_power(*rest, 11)).collect::<Vec<_>>(), [1, 10]);
        // Modulo 3 it is 2: everything but 0.
        assert_eq!((0..3).filter(|rest| is_power(*rest, 3)).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(remainder(&[1, 0, 1], 11), 10);
        assert_eq!(remainder(&[0, 0, 255], 7), 3);
    }

    /// 65537 to any power has the fingerprint; its neighbour has it not.
    #[test]
    fn the_fingerprint_is_told() {
        assert!(is_weak(&[1, 0, 1]) && is_weak(&[1]));
        assert!(!is_weak(&[1, 0, 2]) && !is_weak(&[]) && !is_weak(&[0]));
    }
}

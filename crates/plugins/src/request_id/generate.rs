//! Making ids. Randomness comes from a generator of each thread, seeded once by the system: no call of the system and
//! no write to shared memory for a request.

use super::RangeId;
use serde::Deserialize;
use std::cell::Cell;

/// What `range_id` takes its characters from.
pub(super) const LETTERS_AND_DIGITS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// The alphabet of nanoid: 64 characters that a URL may hold.
const NANOID: &[u8; 64] = b"useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict";
const NANOID_LENGTH: usize = 21;
/// The digits of a ksuid.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KSUID_LENGTH: usize = 27;
/// When the time of ksuids begins, seconds since the Unix epoch.
const KSUID_EPOCH_S: i64 = 1_400_000_000;

/// How ids are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Algorithm {
    /// Version 4 (RFC 9562, section 5.4).
    Uuid,
    /// 21 characters of an alphabet of 64.
    Nanoid,
    /// As many characters of whichever alphabet as wanted.
    RangeId,
    /// 27 characters that sort by the second.
    Ksuid,
    /// Version 7, which sorts by the millisecond (RFC 9562, section 5.7).
    #[serde(rename = "uuidv7")]
    UuidV7,
}

impl Algorithm {
    /// A new id. `now_us` is the time, microseconds since the Unix epoch.
    pub(super) fn generate(self, range: &RangeId, now_us: i64) -> String {
        match self {
            Algorithm::Uuid => uuid(4, random_bytes()),
            Algorithm::UuidV7 => {
                let mut bytes = random_bytes();
                let millis = now_us.div_euclid(1_000).to_be_bytes();
                for (byte, of_time) in bytes.iter_mut().zip(millis.into_iter().skip(2)) {
                    *byte = of_time;
                }
                uuid(7, bytes)
            }
            Algorithm::Nanoid => pick(NANOID, NANOID_LENGTH),
            Algorithm::RangeId => pick(range.char_set.as_bytes(), range.length),
            Algorithm::Ksuid => ksuid(now_us),
        }
    }
}

/// A UUID of a version, variant 10 (RFC 9562, section 4).
fn uuid(version: u8, mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
        }
    }
    text
}

fn pick(alphabet: &[u8], length: usize) -> String {
    let of = |number: u64| {
        let at = usize::try_from(number % (alphabet.len().max(1) as u64)).unwrap_or_default();
        alphabet.get(at).copied().map_or('0', char::from)
    };
    (0..length).map(|_| of(random())).collect()
}

/// Seconds and 128 random bits as one number, base 62.
fn ksuid(now_us: i64) -> String {
    let seconds = u32::try_from(now_us.div_euclid(1_000_000) - KSUID_EPOCH_S).unwrap_or_default();
    let mut limbs = [seconds, 0, 0, 0, 0];
    for (limb, bytes) in limbs.iter_mut().skip(1).zip(random_bytes().chunks_exact(4)) {
        *limb = bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
    }
    let mut digits = [b'0'; KSUID_LENGTH];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u64;
        for limb in &mut limbs {
            let part = (rest << 32) | u64::from(*limb);
            *limb = u32::try_from(part / 62).unwrap_or_default();
            rest = part % 62;
        }
        *digit = usize::try_from(rest).ok().and_then(|rest| BASE62.get(rest)).copied().unwrap_or(b'0');
    }
    digits.into_iter().map(char::from).collect()
}

fn random_bytes() -> [u8; 16] {
    let (one, other) = (random().to_le_bytes(), random().to_le_bytes());
    std::array::from_fn(|at| *one.iter().chain(&other).nth(at).unwrap_or(&0))
}

thread_local! {
    /// Two counters with starts of their own: 128 bits tell threads and processes apart.
    static STATE: Cell<[u64; 2]> = Cell::new(seed());
}

fn seed() -> [u64; 2] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without the system's randomness, hashers have a seed of their own.
        let state = std::hash::RandomState::new();
        return [1, 2].map(|part: u64| std::hash::BuildHasher::hash_one(&state, part));
    }
    let (one, other) = bytes.split_at(8);
    [one, other].map(|half| half.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

/// The next number of this thread: a Weyl sequence per counter, of which all bits are mixed.
fn random() -> u64 {
    STATE.with(|state| {
        let [one, other] = state.get();
        let next = [one.wrapping_add(0x9e37_79b9_7f4a_7c15), other.wrapping_add(0xd1b5_4a32_d192_ed03)];
        state.set(next);
        mix(next[0]) ^ mix(next[1].rotate_left(32))
    })
}

/// Spreads every bit over all others.
fn mix(mut number: u64) -> u64 {
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        number = (number ^ (number >> 31)).wrapping_mul(factor);
    }
    number ^ (number >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const ALL: [Algorithm; 5] =
        [Algorithm::Uuid, Algorithm::Nanoid, Algorithm::RangeId, Algorithm::Ksuid, Algorithm::UuidV7];
    /// 2026-11-21T05:00:00.123Z.
    const NOW_US: i64 = 1_795_237_200_123_000;

    fn id(algorithm: Algorithm) -> String {
        algorithm.generate(&RangeId::default(), NOW_US)
    }

    #[test]
    fn ids_have_the_form_of_their_algorithm() {
        let is_hex =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        for (algorithm, version) in [(Algorithm::Uuid, "4"), (Algorithm::UuidV7, "7")] {
            let id = id(algorithm);
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
            assert!(parts.iter().all(|part| is_hex(part)), "{id}");
            assert!(parts[2].starts_with(version) && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        }
        assert!(id(Algorithm::Nanoid).bytes().all(|byte| NANOID.contains(&byte)));
        assert_eq!(id(Algorithm::Nanoid).len(), 21);
        assert!(id(Algorithm::Ksuid).bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(id(Algorithm::Ksuid).len(), 27);
        let range = RangeId { length: 9, char_set: "abc-ef".to_owned() };
        let id = Algorithm::RangeId.generate(&range, NOW_US);
        assert!(id.len() == 9 && id.bytes().all(|byte| b"abc-ef".contains(&byte)), "{id}");
    }

    #[test]
    fn no_two_ids_are_the_same_on_any_thread() {
        let many = || (0..2_000).flat_map(|_| ALL.map(id)).collect::<Vec<_>>();
        let other = std::thread::spawn(many).join().unwrap();
        let all: HashSet<String> = many().into_iter().chain(other).collect();
        assert_eq!(all.len(), 2 * 2_000 * ALL.len());
    }

    #[test]
    fn what_sorts_by_time_does() {
        for algorithm in [Algorithm::Ksuid, Algorithm::UuidV7] {
            let at = |us: i64| algorithm.generate(&RangeId::default(), NOW_US + us);
            assert!(at(0) < at(1_000_000) && at(1_000_000) < at(86_400_000_000), "{algorithm:?}");
        }
        assert!(id(Algorithm::UuidV7).starts_with(&format!("{:012x}", NOW_US / 1_000)[..8]));
    }

    #[test]
    fn every_character_of_an_alphabet_comes() {
        let text: String = (0..200).map(|_| id(Algorithm::Nanoid)).collect();
        assert!(NANOID.iter().all(|character| text.as_bytes().contains(character)));
    }
}

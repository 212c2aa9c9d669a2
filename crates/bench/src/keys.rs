//! The key that each request carries, for the proxy that looks it up. All others pass it on as a header field.

/// Its field.
pub const HEADER: &str = "apikey";
/// How many different ones there are: `key-00000` and so on.
pub const COUNT: u32 = 10_000;

/// A walk through all keys, far from their order.
#[derive(Clone, Debug)]
pub struct Keys {
    number: u32,
    text: String,
}

impl Keys {
    /// The walk of one connection or stream: each begins elsewhere.
    #[must_use]
    pub fn of(walker: usize) -> Keys {
        let number = u32::try_from(walker % COUNT as usize).unwrap_or(0).wrapping_mul(157) % COUNT;
        Keys { number, text: String::new() }
    }

    /// The next key; all have the same length.
    pub fn next_key(&mut self) -> &str {
        // A step that shares no factor with the count comes to every key.
        self.number = (self.number + 7_919) % COUNT;
        self.text.clear();
        self.text.push_str("key-");
        for digit in [10_000, 1_000, 100, 10, 1] {
            self.text.extend(char::from_digit(self.number / digit % 10, 10));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_comes_once_in_a_round() {
        let mut keys = Keys::of(3);
        let seen: HashSet<String> = (0..COUNT).map(|_| keys.next_key().to_owned()).collect();
        assert_eq!(seen.len(), COUNT as usize);
        assert!(seen.contains("key-09999"));
    }
}

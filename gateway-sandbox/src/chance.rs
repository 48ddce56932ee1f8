//! Everything that looks random, decided by the seed and a name alone: ids and faults.
//! It keeps no state, so the order in which calls arrive changes nothing.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 14;

/// The seed of one sandbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An id of the gateway's shape: `prefix` and 14 letters and digits.
    pub(crate) fn id(self, prefix: &str, name: &str, occurrence: usize) -> String {
        let digest = self.digest(&[prefix, name, &occurrence.to_string()]);
        let tail = digest
            .iter()
            .take(ID_LENGTH)
            .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
            .map(|letter| char::from(*letter));
        prefix.chars().chain(tail).collect()
    }

    /// Whether something with `per_mille` chances in a thousand happens to `name`.
    pub(crate) fn hits(self, per_mille: u16, name: &[&str]) -> bool {
        per_mille > 0 && self.draw(name) % 1000 < u64::from(per_mille)
    }

    /// A number from `min` to `max`, both included, for `name`.
    pub(crate) fn between(self, min: u64, max: u64, name: &[&str]) -> u64 {
        let width = max.saturating_sub(min).saturating_add(1);
        min.saturating_add(self.draw(name) % width)
    }

    fn draw(self, name: &[&str]) -> u64 {
        let digest = self.digest(name);
        digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    fn digest(self, name: &[&str]) -> Vec<u8> {
        let mut hasher = Sha256::new();
        hasher.update(self.0.to_be_bytes());
        for part in name {
            hasher.update(part.as_bytes());
            hasher.update([0]); // so that ("ab", "c") and ("a", "bc") differ
        }
        hasher.finalize().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_gateway_shape_and_depends_on_every_part() {
        let chance = Chance::new(7);
        let id = chance.id("order_", "receipt-1", 0);
        assert_eq!(id.len(), "order_".len() + ID_LENGTH);
        assert_eq!(id, chance.id("order_", "receipt-1", 0));
        assert_ne!(id, chance.id("order_", "receipt-1", 1));
        assert_ne!(id, Chance::new(8).id("order_", "receipt-1", 0));
    }

    #[test]
    fn hits_follow_their_odds() {
        let chance = Chance::new(1);
        let hits = (0..10_000).filter(|n: &u32| chance.hits(200, &[&n.to_string()])).count();
        assert!((1_800..2_200).contains(&hits), "200 in a thousand gave {hits} in ten thousand");
        assert!(!chance.hits(0, &["never"]) && chance.hits(1000, &["always"]));
    }
}

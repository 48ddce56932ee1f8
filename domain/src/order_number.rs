//! The readable order number: a pure function of the order's id, so no counter can become hot.
//! Never parsed back: the id is what the tables go by.

use std::fmt;

use crate::OrderId;

/// Sixteen characters in four groups, such as `0DK3-WQ8Z-7KQ3-9XDM`; earlier orders sort first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNumber(String);

/// Base 32 without I, L, O and U, which are misread or misheard.
const DIGITS: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J',
    'K', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
];

impl OrderNumber {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<OrderId> for OrderNumber {
    /// Takes 40 bits of the id's milliseconds (34 years) and its last 40 bits, which are random.
    fn from(id: OrderId) -> Self {
        let bits = id.as_uuid().as_u128();
        let forty = (1_u128 << 40) - 1;
        let value = (((bits >> 80) & forty) << 40) | (bits & forty);
        let digit = |place: usize| {
            let five_bits = usize::try_from((value >> (5 * (15 - place))) & 31).unwrap_or(0);
            DIGITS.get(five_bits).copied().unwrap_or('0')
        };
        let mut text = String::with_capacity(19);
        for place in 0..16 {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(digit(place));
        }
        Self(text)
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn ten_thousand_numbers_made_at_once_are_unique() {
        let numbers: BTreeSet<_> =
            (0..10_000).map(|_| OrderNumber::from(OrderId::from(Uuid::now_v7()))).collect();
        assert_eq!(numbers.len(), 10_000, "no two orders share a number");
    }

    #[test]
    fn a_number_reads_in_four_groups_of_four() {
        let number = OrderNumber::from(OrderId::from(Uuid::from_u128(33)));
        assert_eq!(number.as_str(), "0000-0000-0000-0011", "33 is 11 in base 32");
    }
}

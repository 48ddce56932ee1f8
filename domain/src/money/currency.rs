//! The currencies the shop trades in, with the number of decimal places of each.
//! Never a rate between two of them.

use crate::words::words;

words! {
    /// A currency by its ISO 4217 code.
    pub enum Currency("currency") {
        /// Indian rupee, 2 places.
        Inr = "INR",
        /// United States dollar, 2 places.
        Usd = "USD",
        /// Euro, 2 places.
        Eur = "EUR",
        /// Pound sterling, 2 places.
        Gbp = "GBP",
        /// Yen, no places.
        Jpy = "JPY",
        /// Kuwaiti dinar, 3 places.
        Kwd = "KWD",
    }
}

impl Currency {
    /// The decimal places of the minor unit (ISO 4217).
    pub const fn exponent(self) -> u32 {
        match self {
            Self::Inr | Self::Usd | Self::Eur | Self::Gbp => 2,
            Self::Jpy => 0,
            Self::Kwd => 3,
        }
    }
}

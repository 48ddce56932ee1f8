//! One newtype per id, so that a payment's id can never stand where an order's belongs.
//! Never makes an id: a value of version 7 is made by whoever has a clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// Which id was wanted.
    pub kind: &'static str,
    /// What such an id looks like.
    pub rule: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[derive(utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a plain UUID, for binding and printing.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse()
                    .map(Self)
                    .map_err(|_| InvalidId { kind: stringify!($name), rule: "a UUID" })
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $pattern:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[derive(utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(pattern = $pattern)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { kind: stringify!($name), rule: $rule })
                }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid_id!(
    /// An order.
    OrderId
);
uuid_id!(
    /// A payment of an order.
    PaymentId
);
uuid_id!(
    /// A person or service that may sign in.
    UserId
);
uuid_id!(
    /// A hold: stock set aside for one attempt at an order.
    HoldId
);
uuid_id!(
    /// A refund.
    RefundId
);
uuid_id!(
    /// A ledger transaction: a balanced set of entries.
    LedgerTransactionId
);
uuid_id!(
    /// An outbox message.
    MessageId
);

text_id!(
    /// A stock keeping unit: 1 to 64 letters, digits, dots, dashes and underscores.
    Sku,
    |text| is_token(text, 64),
    "^[A-Za-z0-9._-]{1,64}$",
    "1 to 64 letters, digits, dots, dashes or underscores"
);
text_id!(
    /// A tenant's slug: a lower-case letter, then up to 40 lower-case letters, digits and dashes.
    TenantId,
    is_slug,
    "^[a-z][a-z0-9-]{0,40}$",
    "a lower-case letter, then up to 40 lower-case letters, digits or dashes"
);
text_id!(
    /// The gateway's id of an order there; 1 to 128 characters.
    GatewayOrderId,
    |text| is_token(text, 128),
    "^[A-Za-z0-9._-]{1,128}$",
    "1 to 128 letters, digits, dots, dashes or underscores"
);
text_id!(
    /// The gateway's id of one payment attempt; 1 to 128 characters.
    GatewayPaymentId,
    |text| is_token(text, 128),
    "^[A-Za-z0-9._-]{1,128}$",
    "1 to 128 letters, digits, dots, dashes or underscores"
);
text_id!(
    /// The gateway's id of a refund; 1 to 128 characters.
    GatewayRefundId,
    |text| is_token(text, 128),
    "^[A-Za-z0-9._-]{1,128}$",
    "1 to 128 letters, digits, dots, dashes or underscores"
);

fn is_token(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn is_slug(text: &str) -> bool {
    text.len() <= 41
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_refuse_what_does_not_fit_their_rule() {
        for bad in ["", "a b", "a'b", "a/b", "\u{e9}"] {
            assert!(bad.parse::<Sku>().is_err(), "{bad:?} is no sku");
        }
        for bad in ["", "Retail", "1shop", "a_b", "-a"] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?} is no tenant");
        }
        assert!("A".repeat(65).parse::<Sku>().is_err(), "a sku has at most 64 characters");
        assert_eq!("retail".parse::<TenantId>().map(|t| t.to_string()), Ok("retail".to_owned()));
    }

    #[test]
    fn uuid_ids_read_back_what_they_print() {
        let id = OrderId::from(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id), "an id survives printing");
        assert!("seven".parse::<OrderId>().is_err(), "a word is no id");
    }
}

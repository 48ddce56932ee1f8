//! How often somebody may try to sign in: under a name, and from an address.
//!
//! The wait doubles with each attempt past the free ones, up to five minutes: nobody guesses a
//! password, and nobody keeps another out for long. Sessions that are open are not touched.

use std::net::{IpAddr, Ipv6Addr};

use sqlx::PgConnection;
use store::sign_in_attempts::{self, Attempts};

use crate::error::ApiResult;

/// Attempts under one name before there is a wait.
const FREE_FOR_NAME: i64 = 5;
/// Attempts from one address: an office shares one.
const FREE_FOR_ADDRESS: i64 = 20;
const LONGEST_WAIT_MS: i64 = 5 * 60 * 1_000;
/// After this long without an attempt all is forgotten.
const FORGET_SECS: i64 = 60 * 60;

/// What is counted for an attempt.
pub(super) struct Subjects {
    name: String,
    address: String,
}

impl Subjects {
    /// Cut to what the table takes: a name that long belongs to nobody.
    pub(super) fn of(name: &str, address: Option<IpAddr>) -> Self {
        let name: String = name.chars().take(64).collect();
        let address = address.map_or_else(|| "unknown".to_owned(), |at| place(at).to_string());
        Self { name: format!("name {name}"), address: format!("address {address}") }
    }

    /// Counts an attempt, in a transaction of its own; `Some` says for how many seconds there may be
    /// none.
    pub(super) async fn begin(&self, conn: &mut PgConnection) -> ApiResult<Option<i64>> {
        for (subject, free) in [(&self.address, FREE_FOR_ADDRESS), (&self.name, FREE_FOR_NAME)] {
            let known = sign_in_attempts::lock(&mut *conn, subject).await?;
            let left = left_ms(known, free);
            if left > 0 {
                return Ok(Some(left.saturating_add(999) / 1_000));
            }
        }
        sign_in_attempts::count(&mut *conn, &self.address, FORGET_SECS).await?;
        sign_in_attempts::count(&mut *conn, &self.name, FORGET_SECS).await?;
        Ok(None)
    }

    /// The attempt succeeded: the name starts anew, and half of the address's is forgiven, which may
    /// be everybody's behind one proxy.
    pub(super) async fn succeeded(&self, conn: &mut PgConnection) -> ApiResult<()> {
        sign_in_attempts::take_back(&mut *conn, &self.address).await?;
        sign_in_attempts::forget(conn, &self.name).await?;
        Ok(())
    }

    /// Forgets what is old, in a transaction of its own: it would wait for others' attempts.
    pub(super) async fn tidy(conn: &mut PgConnection) -> ApiResult<()> {
        sign_in_attempts::forget_old(conn, FORGET_SECS).await?;
        Ok(())
    }
}

/// An address of version 6 is one of 2^64 that whoever has it may use.
fn place(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// How many milliseconds are left of the wait.
fn left_ms(known: Attempts, free: i64) -> i64 {
    let Attempts { attempts, ago_ms } = known;
    let Ok(past) = u32::try_from(attempts.saturating_sub(free)) else { return 0 };
    let wait = 1_000_i64.saturating_mul(2_i64.saturating_pow(past)).min(LONGEST_WAIT_MS);
    wait.saturating_sub(ago_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_network_of_version_6_has_one_address() {
        let address = |text: &str| Subjects::of("ada", text.parse().ok()).address;
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), address("2001:db8:1:2::9"));
        assert_ne!(address("2001:db8:1:2::9"), address("2001:db8:1:3::9"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }

    #[test]
    fn the_wait_doubles_past_the_free_attempts_up_to_five_minutes() {
        let left = |attempts, ago_ms| left_ms(Attempts { attempts, ago_ms }, 5);
        assert!(left(4, 0) <= 0, "five are free");
        let waits: Vec<_> = [5, 6, 7, 13, 14, 1_000_000].map(|n| left(n, 0)).into();
        assert_eq!(waits, [1_000, 2_000, 4_000, 256_000, 300_000, 300_000]);
        assert!(left(7, 4_000) <= 0, "a wait that is over is over");
    }
}

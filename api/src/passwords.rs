//! Passwords: hashed with argon2id on threads that may block, only so many at once.
//! Never a quick answer for an account that does not exist: it costs the same hash.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::ApiError;

/// 19 MiB, two passes, one lane: what OWASP's password storage advice asks of argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// For each core: the last in the queue waits for about a second and a half.
const PLACES: usize = 64;

/// A hash of the same cost that no password fits, for accounts that do not exist.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bWFrZWdvb2Qtbm9ib2R5$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether a password for the console will do: 12 to 256 bytes, not the name, not one letter; and if
/// not, why not.
///
/// # Errors
/// The words for whoever chose it.
pub fn check_strength(password: &SecretString, name: &str) -> Result<(), String> {
    let password = password.expose_secret();
    let mut letters: Vec<_> = password.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if !(12..=256).contains(&password.len()) {
        return Err("A password has 12 to 256 bytes.".to_owned());
    }
    if password.to_lowercase().contains(&name.to_lowercase()) || letters.len() < 5 {
        return Err("This password is too easy to guess.".to_owned());
    }
    Ok(())
}

/// The hash of a new password, made at once: for a program that does nothing else meanwhile.
///
/// # Errors
/// The machine cannot hash passwords.
pub fn hash_password(password: &SecretString) -> Result<String, String> {
    let argon2 = argon2().map_err(|error| error.to_string())?;
    hash(&argon2, password.expose_secret()).map_err(|error| error.to_string())
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// For those whose turn has come, and for those who wait for it.
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, ApiError> {
        let argon2 = argon2()?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (turns, places) = (Semaphore::new(cores), Semaphore::new(cores * PLACES));
        Ok(Self { argon2, turns: Arc::new(turns), places: Arc::new(places) })
    }

    /// The hash of a new password, with a salt of its own.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        let argon2 = self.argon2.clone();
        self.take_turn(move || hash(&argon2, password.expose_secret())).await?
    }

    /// Whether the password fits; `None` stands for an account that does not exist.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, ApiError> {
        let argon2 = self.argon2.clone();
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let fits = self
            .take_turn(move || {
                PasswordHash::new(&hash).is_ok_and(|hash| {
                    argon2.verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
                })
            })
            .await?;
        Ok(known && fits)
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _place = self.places.try_acquire().map_err(|_| ApiError::Overloaded)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::Stopping)?;
        let done = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|e| fault(&e.to_string()))
    }
}

fn argon2() -> Result<Argon2<'static>, ApiError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| fault(&e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, ApiError> {
    let hash: PasswordHash =
        argon2.hash_password(password.as_bytes()).map_err(|e| fault(&e.to_string()))?;
    Ok(hash.to_string())
}

fn fault(what: &str) -> ApiError {
    ApiError::internal(format!("password hashing: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nobody_costs_what_every_hash_costs() {
        let nobody = PasswordHash::new(NOBODY).expect("a hash");
        let params = Params::try_from(&nobody).expect("parameters");
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (MEMORY_KIB, PASSES, LANES),
            "a quicker answer would tell which accounts exist"
        );
        assert_eq!(nobody.hash.map(|hash| hash.len()), Some(32), "a hash is really computed");
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_account_fits() {
        let passwords = Passwords::new().expect("usable");
        let hash = passwords.hash("correct horse".into()).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let fits = async |password: &str, hash: Option<&String>| {
            passwords.verify(password.into(), hash.cloned()).await.expect("checked")
        };
        assert!(fits("correct horse", Some(&hash)).await);
        assert!(!fits("correct house", Some(&hash)).await);
        assert!(!fits("correct horse", None).await, "nobody has no password");
    }
}

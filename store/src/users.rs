//! Accounts of people and services.
//! Never a password: only its hash, and that is never printed.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::{Role, TenantId, UserId};
use sqlx::postgres::PgRow;

use crate::{Conn, Error, Result, row};

/// The hash of a password; its debug form is masked.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The account's id.
    pub user_id: UserId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// Its address; unique in the shop whatever its case.
    pub email: String,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// What it may do.
    pub role: Role,
}

/// An account.
#[derive(Clone, Debug)]
pub struct User {
    /// The account's id.
    pub user_id: UserId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// Its address, as it was given.
    pub email: String,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// What it may do.
    pub role: Role,
    /// Whether it may sign in.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Adds an account; `Conflict` when the shop has one with this address.
pub async fn insert(conn: &mut Conn, user: &NewUser) -> Result<()> {
    sqlx::query(
        "insert into users (user_id, tenant_id, email, password_hash, role)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(user.user_id.as_uuid())
    .bind(user.tenant_id.as_str())
    .bind(&user.email)
    .bind(&user.password_hash.0)
    .bind(user.role.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// The account with this address in the shop, or `NotFound`.
pub async fn by_email(conn: &mut Conn, tenant: &TenantId, email: &str) -> Result<User> {
    let found = sqlx::query(
        "select user_id, tenant_id, email, password_hash, role, is_active, created_at
         from users
         where tenant_id = $1 and lower(email) = lower($2)",
    )
    .bind(tenant.as_str())
    .bind(email)
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// The account, or `NotFound`.
pub async fn by_id(conn: &mut Conn, user: UserId) -> Result<User> {
    let found = sqlx::query(
        "select user_id, tenant_id, email, password_hash, role, is_active, created_at
         from users
         where user_id = $1",
    )
    .bind(user.as_uuid())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

fn read(row: &PgRow) -> Result<User> {
    Ok(User {
        user_id: row::id(row, "user_id")?,
        tenant_id: row::word(row, "tenant_id")?,
        email: row::get(row, "email")?,
        password_hash: PasswordHash(row::get(row, "password_hash")?),
        role: row::word(row, "role")?,
        is_active: row::get(row, "is_active")?,
        created_at: row::get(row, "created_at")?,
    })
}

//! Accounts: register and sign in. A new account is a customer's; other roles are given by hand.

use axum::extract::State;
use domain::{Role, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::users::{self, NewUser, PasswordHash};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::Shared;
use crate::body::Body;
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    #[schema(max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: SecretString,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    user_id: UserId,
    email: String,
    role: Role,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    access_token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
}

/// `POST /api/v1/auth/register`
pub(crate) async fn register(
    State(app): State<Shared>,
    Body(given): Body<Credentials>,
) -> ApiResult<Answer<Registered>> {
    let email = checked_email(&given.email)?;
    let length = given.password.expose_secret().len();
    if !(8..=128).contains(&length) {
        return Err(ApiError::field("password", "a password has 8 to 128 bytes"));
    }
    let password_hash = PasswordHash(app.passwords.hash(given.password).await?);
    let user = NewUser {
        user_id: UserId::from(Uuid::now_v7()),
        tenant_id: app.config.tenant.clone(),
        email,
        password_hash,
        role: Role::Customer,
    };
    let shared = Shared::clone(&app);
    let user = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            match users::insert(&mut conn, &user).await {
                Ok(()) => Ok(user),
                Err(store::Error::Conflict(_)) => Err(ApiError::EmailTaken),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
    let registered = Registered { user_id: user.user_id, email: user.email, role: user.role };
    Ok(Answer::created("registered", registered))
}

/// `POST /api/v1/auth/login`
pub(crate) async fn login(
    State(app): State<Shared>,
    Body(given): Body<Credentials>,
) -> ApiResult<Answer<Session>> {
    let shared = Shared::clone(&app);
    let user = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            let tenant = &shared.config.tenant;
            match users::by_email(&mut conn, tenant, given.email.trim()).await {
                Ok(user) => Ok(Some(user)),
                Err(store::Error::NotFound) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
    let hash = user.as_ref().map(|user| user.password_hash.0.clone());
    let fits = app.passwords.verify(given.password, hash).await?;
    let user = user.filter(|user| fits && user.is_active).ok_or(ApiError::BadCredentials)?;
    let who = SignedIn { user_id: user.user_id, tenant_id: user.tenant_id, role: user.role };
    let session = Session {
        access_token: app.tokens.issue(&who)?,
        token_type: "Bearer",
        expires_in: app.tokens.lifetime().as_secs(),
    };
    Ok(Answer::ok("signed in", session))
}

/// Only what the table accepts as well: something, an at sign, something; at most 254 bytes.
fn checked_email(given: &str) -> ApiResult<String> {
    let email = given.trim();
    let plain = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    match email.split_once('@') {
        Some((name, host))
            if plain
                && email.len() <= 254
                && !name.is_empty()
                && !host.is_empty()
                && !host.contains('@') =>
        {
            Ok(email.to_owned())
        }
        _ => Err(ApiError::field("email", "this is no email address")),
    }
}

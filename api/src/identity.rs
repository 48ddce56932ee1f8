//! Who is calling: access tokens, and the extractors that handlers ask for.
//! Never a handler that looks at a header: what needs a person takes [`SignedIn`] or [`Admin`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::{header, request::Parts};
use domain::{Role, TenantId, UserId};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, get_current_timestamp,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::ApiError;

const ISSUER: &str = "makegood";
const AUDIENCE: &str = "makegood-api";
/// How far two clocks may differ.
const LEEWAY_SECS: u64 = 5;

/// Issues and checks access tokens: HS256, and nothing else.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    tenant: TenantId,
    role: Role,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: Uuid,
}

impl Tokens {
    pub(crate) fn new(secret: &SecretString, lifetime: Duration) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECS;
        Self(Arc::new(Inner {
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            validation,
            lifetime,
        }))
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// A token for somebody who has proved who they are.
    pub(crate) fn issue(&self, who: &SignedIn) -> Result<String, ApiError> {
        let now = get_current_timestamp();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: who.user_id,
            tenant: who.tenant_id.clone(),
            role: who.role,
            iat: now,
            nbf: now,
            exp: now.saturating_add(self.0.lifetime.as_secs()),
            jti: Uuid::now_v7(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.0.signing).map_err(ApiError::internal)
    }

    pub(crate) fn check(&self, token: &str) -> Option<SignedIn> {
        let claims = decode::<Claims>(token, &self.0.checking, &self.0.validation).ok()?.claims;
        Some(SignedIn { user_id: claims.sub, tenant_id: claims.tenant, role: claims.role })
    }
}

/// Somebody with a valid access token. Answers 401 to everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The account.
    pub user_id: UserId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// What it may do.
    pub role: Role,
}

impl<S> FromRequestParts<S> for SignedIn
where
    S: Send + Sync,
    Tokens: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        token
            .and_then(|token| Tokens::from_ref(state).check(token))
            .ok_or(Refusal(ApiError::Unauthorized))
    }
}

/// Somebody signed in whose role is admin. Answers 403 to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin(pub SignedIn);

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Tokens: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = SignedIn::from_request_parts(parts, state).await?;
        match caller.role {
            Role::Admin => Ok(Self(caller)),
            Role::Customer | Role::Vendor | Role::Service => Err(Refusal(ApiError::Forbidden)),
        }
    }
}

/// Another system of ours. Answers 403 to everybody else who is signed in, admins included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service(pub SignedIn);

impl<S> FromRequestParts<S> for Service
where
    S: Send + Sync,
    Tokens: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = SignedIn::from_request_parts(parts, state).await?;
        match caller.role {
            Role::Service => Ok(Self(caller)),
            Role::Customer | Role::Vendor | Role::Admin => Err(Refusal(ApiError::Forbidden)),
        }
    }
}

/// Why somebody was turned away, as an answer.
pub struct Refusal(ApiError);

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> axum::response::Response {
        self.0.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&secret.into(), Duration::from_mins(1))
    }

    fn somebody(role: Role) -> SignedIn {
        let tenant_id = "retail".parse().expect("a tenant");
        SignedIn { user_id: UserId::from(Uuid::now_v7()), tenant_id, role }
    }

    /// A token whose claims were changed by `change` before it was signed.
    fn forged(tokens: &Tokens, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let token = tokens.issue(&somebody(Role::Customer)).expect("a token");
        let mut claims =
            decode::<serde_json::Value>(&token, &tokens.0.checking, &tokens.0.validation)
                .expect("valid")
                .claims;
        change(&mut claims);
        encode(&Header::new(Algorithm::HS256), &claims, &tokens.0.signing).expect("signed")
    }

    async fn admin(tokens: &Tokens, role: Role) -> bool {
        let token = tokens.issue(&somebody(role)).expect("a token");
        let request = axum::http::Request::builder()
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .expect("a request");
        let (mut parts, ()) = request.into_parts();
        Admin::from_request_parts(&mut parts, tokens).await.is_ok()
    }

    #[test]
    fn a_token_names_who_it_was_issued_to() {
        let tokens = tokens("0123456789abcdef0123456789abcdef");
        let who = somebody(Role::Vendor);
        let token = tokens.issue(&who).expect("a token");
        assert_eq!(tokens.check(&token), Some(who), "the same person comes back");
    }

    #[test]
    fn a_token_under_another_secret_is_refused() {
        let token = tokens("another-secret-of-32-bytes-or-more")
            .issue(&somebody(Role::Admin))
            .expect("a token");
        assert_eq!(tokens("0123456789abcdef0123456789abcdef").check(&token), None);
    }

    #[test]
    fn expired_early_foreign_and_incomplete_tokens_are_refused() {
        let tokens = tokens("0123456789abcdef0123456789abcdef");
        let now = get_current_timestamp();
        let changes: [(&str, serde_json::Value); 6] = [
            ("exp", (now - LEEWAY_SECS - 1).into()),
            ("nbf", (now + LEEWAY_SECS + 5).into()),
            ("iss", "somebody-else".into()),
            ("aud", "another-api".into()),
            ("exp", serde_json::Value::Null),
            ("role", "emperor".into()),
        ];
        assert!(tokens.check(&forged(&tokens, |_| {})).is_some(), "unchanged it is fine");
        for (claim, value) in changes {
            let token = forged(&tokens, |claims| claims[claim] = value.clone());
            assert_eq!(tokens.check(&token), None, "{claim} = {value} must be refused");
        }
    }

    #[test]
    fn no_algorithm_but_hs256_is_accepted() {
        let tokens = tokens("0123456789abcdef0123456789abcdef");
        let token = tokens.issue(&somebody(Role::Customer)).expect("a token");
        let (_, rest) = token.split_once('.').expect("three parts");
        // {"typ":"JWT","alg":"none"}
        let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{rest}");
        assert_eq!(tokens.check(&unsigned), None, "alg none");
        let claims = forged(&tokens, |_| {});
        let claims: serde_json::Value =
            decode(&claims, &tokens.0.checking, &tokens.0.validation).expect("valid").claims;
        let longer =
            encode(&Header::new(Algorithm::HS512), &claims, &tokens.0.signing).expect("signed");
        assert_eq!(tokens.check(&longer), None, "alg HS512");
    }

    #[tokio::test]
    async fn only_an_admin_is_an_admin() {
        let tokens = tokens("0123456789abcdef0123456789abcdef");
        assert!(admin(&tokens, Role::Admin).await);
        for role in [Role::Customer, Role::Vendor, Role::Service] {
            assert!(!admin(&tokens, role).await, "{role} is no admin");
        }
    }
}

//! What can go wrong with a request; the variant decides status, code and whether to try again.
//! Never tells a client what the database said: that goes to the log, with the request's id.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::{Money, OrderStatus, OutsidePolicy, Sku};
use serde_json::{Value, json};

use crate::envelope::{Envelope, Failure};
use crate::observe;
use crate::operations::Trouble;

/// What a handler answers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{message}")]
    BadRequest { field: Option<String>, message: String },
    #[error("sign in first: the access token is missing, wrong or expired")]
    Unauthorized,
    #[error("email or password is wrong")]
    BadCredentials,
    #[error("your role does not allow this")]
    Forbidden,
    #[error("this belongs to somebody else")]
    NotYours,
    #[error("there is no such order")]
    OrderNotFound,
    #[error("there is no such payment")]
    PaymentNotFound,
    #[error("there is no such refund")]
    RefundNotFound,
    #[error("there is no such product")]
    ProductNotFound,
    #[error("there is no such route")]
    RouteNotFound,
    #[error("this route does not take this method")]
    MethodNotAllowed,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body must be application/json")]
    NotJson,
    #[error("this email has an account already")]
    EmailTaken,
    #[error("this idempotency key was used for something else")]
    IdempotencyConflict,
    #[error("not on sale: {}", skus(.0))]
    UnknownSku(Vec<Sku>),
    #[error("the order comes to nothing")]
    NothingToPay,
    #[error("the order costs {0}, less than can be paid")]
    TooLittleToPay(Money),
    #[error("the order is past the point where it can be cancelled")]
    TooLate,
    #[error("the order is {0}")]
    OrderEnded(OrderStatus),
    #[error("the order is {0}: nothing of it can go back")]
    NothingToRefund(OrderStatus),
    #[error("only {0} of this order can still go back")]
    RefundTooLarge(Money),
    #[error("{0} of this order is left, and the gateway gives back no amount as small as that")]
    RefundTooSmall(Money),
    #[error("outside the shop's policy: {0}")]
    OutsidePolicy(OutsidePolicy),
    #[error("the order was tried {0} times; place a new one")]
    AttemptsUsedUp(i64),
    #[error("the payment is not open yet; try again")]
    SessionNotReady,
    #[error("the signature is wrong or missing")]
    BadSignature,
    #[error("this is not the order's payment session")]
    WrongGatewayOrder,
    #[error("the request took too long; try again")]
    Timeout,
    #[error("the service is stopping; try again")]
    Stopping,
    /// What looks after runs was not carried out.
    #[error(transparent)]
    Operation(Box<Trouble>),
    /// The database cannot be reached, or refused for a passing reason.
    #[error("the service is busy; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A fault of ours.
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// A request that breaks a rule, naming the field.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::BadRequest { field: Some(field.to_owned()), message: message.into() }
    }

    /// A request that breaks a rule as a whole.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::BadRequest { field: None, message: message.into() }
    }

    /// A fault of ours, for the log.
    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    fn kind(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest { .. } => (S::BAD_REQUEST, "BAD_REQUEST"),
            Self::Unauthorized => (S::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::BadCredentials => (S::UNAUTHORIZED, "BAD_CREDENTIALS"),
            Self::Forbidden => (S::FORBIDDEN, "FORBIDDEN"),
            Self::NotYours => (S::FORBIDDEN, "NOT_YOURS"),
            Self::OrderNotFound => (S::NOT_FOUND, "ORDER_NOT_FOUND"),
            Self::PaymentNotFound => (S::NOT_FOUND, "PAYMENT_NOT_FOUND"),
            Self::RefundNotFound => (S::NOT_FOUND, "REFUND_NOT_FOUND"),
            Self::ProductNotFound => (S::NOT_FOUND, "PRODUCT_NOT_FOUND"),
            Self::RouteNotFound => (S::NOT_FOUND, "ROUTE_NOT_FOUND"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Self::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"),
            Self::NotJson => (S::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE"),
            Self::EmailTaken => (S::CONFLICT, "EMAIL_TAKEN"),
            Self::IdempotencyConflict => (S::CONFLICT, "IDEMPOTENCY_CONFLICT"),
            Self::UnknownSku(_) => (S::UNPROCESSABLE_ENTITY, "UNKNOWN_SKU"),
            Self::NothingToPay => (S::UNPROCESSABLE_ENTITY, "NOTHING_TO_PAY"),
            Self::TooLittleToPay(_) => (S::UNPROCESSABLE_ENTITY, "TOO_LITTLE_TO_PAY"),
            Self::TooLate => (S::CONFLICT, "TOO_LATE"),
            Self::OrderEnded(status) => (S::CONFLICT, ended_code(*status)),
            Self::NothingToRefund(_) => (S::CONFLICT, "NOTHING_TO_REFUND"),
            Self::RefundTooLarge(_) => (S::CONFLICT, "REFUND_TOO_LARGE"),
            Self::RefundTooSmall(_) => (S::CONFLICT, "REFUND_TOO_SMALL"),
            Self::OutsidePolicy(_) => (S::CONFLICT, "OUTSIDE_REFUND_POLICY"),
            Self::AttemptsUsedUp(_) => (S::CONFLICT, "ATTEMPTS_USED_UP"),
            Self::SessionNotReady => (S::SERVICE_UNAVAILABLE, "SESSION_NOT_READY"),
            Self::BadSignature => (S::BAD_REQUEST, "BAD_SIGNATURE"),
            Self::WrongGatewayOrder => (S::CONFLICT, "WRONG_GATEWAY_ORDER"),
            Self::Operation(trouble) => trouble.kind(),
            Self::Timeout => (S::SERVICE_UNAVAILABLE, "TIMEOUT"),
            Self::Stopping => (S::SERVICE_UNAVAILABLE, "STOPPING"),
            Self::Unavailable(_) => (S::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            Self::Internal(_) => (S::INTERNAL_SERVER_ERROR, "INTERNAL"),
        }
    }

    fn details(&self) -> Value {
        if let Self::BadRequest { field: Some(field), .. } = self {
            json!({ "field": field })
        } else if let Self::UnknownSku(skus) = self {
            json!({ "skus": skus })
        } else if let Self::RefundTooLarge(left) | Self::RefundTooSmall(left) = self {
            json!({ "left": left })
        } else if let Self::OrderEnded(status) | Self::NothingToRefund(status) = self {
            json!({ "order_status": status })
        } else if let Self::AttemptsUsedUp(attempts) = self {
            json!({ "max_attempts": attempts })
        } else if let Self::TooLarge { limit } = self {
            json!({ "limit_bytes": limit })
        } else if let Self::Operation(trouble) = self {
            trouble.details()
        } else {
            json!({})
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        if let Self::Internal(source) | Self::Unavailable(source) = &self {
            tracing::error!(error = %source, error.code = code, "a request failed");
        }
        let message = self.to_string();
        let failure = Failure {
            code,
            message: message.clone(),
            retryable: status == StatusCode::SERVICE_UNAVAILABLE,
            details: self.details(),
            request_id: observe::request_id(),
        };
        let envelope: Envelope<()> =
            Envelope { status_code: status.as_u16(), message, data: None, error: Some(failure) };
        (status, Json(envelope)).into_response()
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let state = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let passing = match (&error, state.as_deref()) {
            // A connection that ends in its first words, as that of a proxy without a server does,
            // is a breach of the protocol.
            (
                sqlx::Error::Io(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed,
                _,
            ) => true,
            // Locks and serialization, connections, resources, shutdown.
            (_, Some(state)) => {
                ["40", "55P03", "08", "53", "57"].iter().any(|passing| state.starts_with(passing))
            }
            (_, None) => false,
        };
        if passing { Self::Unavailable(error.into()) } else { Self::Internal(error.into()) }
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Database(error) => error.into(),
            store::Error::NotFound
            | store::Error::Conflict(_)
            | store::Error::Refused(_)
            | store::Error::Unbalanced
            | store::Error::InvalidRow(_) => Self::Internal(error.into()),
        }
    }
}

impl From<makegood::Error> for ApiError {
    fn from(error: makegood::Error) -> Self {
        match error {
            makegood::Error::Database(error) => error.into(),
            makegood::Error::InputConflict { .. }
            | makegood::Error::RunNotFound(_)
            | makegood::Error::TooLarge { .. }
            | makegood::Error::Json { .. }
            | makegood::Error::Refused { .. }
            | makegood::Error::Unsigned(_)
            | makegood::Error::NotAStep(_)
            | makegood::Error::BulkNotFound(_)
            | makegood::Error::BulkExpired(_)
            | makegood::Error::SettingChanged(_)
            | makegood::Error::ReservedSignal(_)
            | makegood::Error::Queue(_)
            | makegood::Error::Attribute(_)
            | makegood::Error::InvalidSchedule(_)
            | makegood::Error::ScheduleNotFound(_)
            | makegood::Error::NotMigrated { .. }
            | makegood::Error::Unfit(_) => Self::Internal(error.into()),
        }
    }
}

fn ended_code(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "ORDER_PENDING",
        OrderStatus::Reserved => "ORDER_RESERVED",
        OrderStatus::Paid => "ORDER_PAID",
        OrderStatus::Confirmed => "ORDER_CONFIRMED",
        OrderStatus::Ready => "ORDER_READY",
        OrderStatus::Shipped => "ORDER_SHIPPED",
        OrderStatus::Delivered => "ORDER_DELIVERED",
        OrderStatus::Completed => "ORDER_COMPLETED",
        OrderStatus::Failed => "ORDER_FAILED",
        OrderStatus::Cancelled => "ORDER_CANCELLED",
        OrderStatus::Expired => "ORDER_EXPIRED",
        OrderStatus::Refunded => "ORDER_REFUNDED",
    }
}

fn skus(skus: &[Sku]) -> String {
    skus.iter().map(Sku::as_str).collect::<Vec<_>>().join(", ")
}

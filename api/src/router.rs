//! Every route on one screen.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::app::Shared;
use crate::body::{BODY_LIMIT, WEBHOOK_LIMIT};
use crate::console;
use crate::error::ApiError;
use crate::health;
use crate::internal;
use crate::observe::observe;
use crate::operations;
use crate::v1::{
    auth, cancel, orders, payment, payments, products, reconciliations, refunds, retry, stream,
};
use crate::webhooks::razorpay;

pub(crate) fn router(app: Shared) -> Router {
    let v1 = Router::new()
        .route("/auth/register", post(auth::register))
        .route("/auth/login", post(auth::login))
        .route("/products/{sku}", get(products::get))
        .route("/orders", post(orders::place).get(orders::list))
        .route("/orders/{id}", get(orders::get))
        .route("/orders/{id}/stream", get(stream::follow))
        .route("/orders/{id}/cancel", post(cancel::cancel))
        .route("/orders/{id}/refunds", post(refunds::ask).get(refunds::list))
        .route("/orders/{id}/refunds/{refund_id}", get(refunds::get))
        .route("/orders/{id}/retry", post(retry::retry))
        .route("/payments/create-session", post(payments::create_session))
        .route("/payments/{id}", get(payment::get))
        .route("/payments/verify", post(payments::verify))
        .route("/reconciliations", get(reconciliations::list))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));

    let internal = Router::new()
        .route("/orders/expiring", get(internal::expiring))
        .route("/orders/{id}/confirm", post(internal::confirm))
        .route("/orders/{id}/expire", post(internal::expire))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));

    let webhooks = Router::new()
        .route("/webhooks/razorpay", post(razorpay::receive))
        .layer(DefaultBodyLimit::max(WEBHOOK_LIMIT));

    Router::new()
        .nest("/api/v1", v1.merge(webhooks))
        .nest("/internal/v1", internal)
        .nest("/api/v1/operations", operations::router(&app))
        .nest("/console", console::router(&app))
        .route("/console/", get(async || Redirect::permanent("/console")))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health/db", get(health::database))
        .route("/info", get(health::info))
        .route("/metrics", get(health::metrics))
        .fallback(async || ApiError::RouteNotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

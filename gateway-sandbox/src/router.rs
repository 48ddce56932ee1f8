//! Every route of the sandbox.

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post, put},
};

use crate::{
    admin, app::Shared, auth, checkout, inject, orders, page, payments, refunds, refusal::Refusal,
    settlements,
};

/// All routes, each group behind its own guards.
pub(crate) fn router(app: Shared) -> Router {
    let v1 = Router::new()
        .route("/orders", post(orders::create).get(orders::list))
        .route("/orders/{id}", get(orders::get).patch(orders::update))
        .route("/orders/{id}/payments", get(orders::payments))
        .route("/payments", get(payments::list))
        .route("/payments/{id}", get(payments::get).patch(payments::update))
        .route("/payments/{id}/capture", post(payments::capture))
        .route("/payments/{id}/refund", post(refunds::create))
        .route("/payments/{id}/refunds", get(refunds::of_payment))
        .route("/payments/{id}/refunds/{rid}", get(refunds::get_of_payment))
        .route("/refunds", get(refunds::list))
        .route("/refunds/{id}", get(refunds::get).patch(refunds::update))
        .route("/settlements/recon/combined", get(settlements::combined))
        .fallback(async || Refusal::invalid("There is nothing at this address"))
        .layer(from_fn_with_state(app.clone(), inject::faults))
        .layer(from_fn_with_state(app.clone(), auth::require))
        .layer(from_fn_with_state(app.clone(), inject::outage));

    let checkout = Router::new()
        .route("/pay", post(checkout::pay))
        .route("/{order_id}", get(page::show).post(page::press))
        .route("/assets/page.css", get(page::style))
        .route("/assets/continue.js", get(page::script));

    let sandbox = Router::new()
        .route("/state", get(admin::state))
        .route(
            "/faults",
            post(admin::add_fault).get(admin::list_faults).delete(admin::clear_faults),
        )
        .route("/outage", post(admin::outage))
        .route("/webhook-url", put(admin::webhook_url))
        .route("/webhooks/{event_id}/replay", post(admin::replay))
        .route("/payments/{id}/late-capture", post(admin::late_capture))
        .route("/payments/{id}/lapse", post(admin::lapse))
        .route("/payments/{id}/age", post(admin::age))
        .route("/refund-mode", put(admin::refund_mode))
        .route("/refunds/{id}/process", post(admin::process_refund))
        .route("/refunds/{id}/fail", post(admin::fail_refund))
        .layer(from_fn(admin::local_only));

    Router::new()
        .nest("/v1", v1)
        .nest("/checkout", checkout)
        .nest("/sandbox", sandbox)
        .with_state(app)
}

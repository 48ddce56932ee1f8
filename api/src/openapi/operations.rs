//! Every operation, on a few screens, in the order of the router.

use domain::{Currency, Money, OrderStatus, OutsidePolicy};
use serde_json::{Value, json};

use super::op::{Caller, Op};
use crate::error::ApiError;
use crate::health;
use crate::internal;
use crate::v1::{
    auth, cancel, cart, orders, payment, payments, products, reconciliations, refunds, retry,
};
use crate::webhooks::razorpay;

pub(super) const TAGS: [(&str, &str); 8] = [
    ("accounts", "Who one is. A new account is a customer's."),
    ("products", "What is on sale."),
    ("orders", "An order and its checkout, which begins with it."),
    ("refunds", "Money on its way back."),
    ("payments", "What the gateway's page needs, and what it hands back."),
    ("webhooks", "What the gateway reports."),
    ("internal", "For other systems of the shop."),
    ("operation", "For probes and dashboards."),
];

pub(super) fn all() -> Vec<Op> {
    [accounts(), placing(), refunding(), paying(), inside(), operating()]
        .into_iter()
        .flatten()
        .collect()
}

fn accounts() -> Vec<Op> {
    let credentials = || json!({ "email": "ada@example.com", "password": "correct horse battery" });
    vec![
        Op::post("/api/v1/auth/register", "accounts", "Opens an account")
            .takes::<auth::Credentials>(credentials())
            .answers::<auth::Registered>(201, "registered", json!({
                "user_id": USER, "email": "ada@example.com", "role": "customer",
            }))
            .refuses([ApiError::EmailTaken]),
        Op::post("/api/v1/auth/login", "accounts", "Signs in")
            .takes::<auth::Credentials>(credentials())
            .answers::<auth::Session>(200, "signed in", json!({
                "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
                "token_type": "Bearer",
                "expires_in": 3600,
            }))
            .refuses([ApiError::BadCredentials]),
        Op::get("/api/v1/products/{sku}", "products", "A product, and how much of it can be had")
            .answers::<products::ProductView>(200, "product", json!({
                "sku": "TEA", "name": "Tea, 100 g", "unit_price": rupees("120.00"), "available": 41,
            }))
            .refuses([ApiError::ProductNotFound]),
    ]
}

fn placing() -> Vec<Op> {
    let cart = || json!({ "lines": [{ "sku": "TEA", "quantity": 2 }] });
    let mut ended = vec![ApiError::OrderNotFound, ApiError::NotYours];
    ended.extend(each_status().map(ApiError::OrderEnded));
    vec![
        Op::post("/api/v1/orders", "orders", "Places an order, whose checkout begins at once")
            .by(Caller::SignedIn)
            .keyed()
            .takes::<cart::Cart>(cart())
            .answers::<orders::One>(201, "order placed", json!({ "order": order("PENDING") }))
            .answers::<orders::One>(200, "order placed before", json!({ "order": order("PAID") }))
            .refuses([ApiError::IdempotencyConflict, ApiError::NothingToPay])
            .refuses([ApiError::UnknownSku(Vec::new()), ApiError::TooLittleToPay(no_money())]),
        Op::get("/api/v1/orders", "orders", "One's own orders, the newest first")
            .by(Caller::SignedIn)
            .query(
                "limit",
                false,
                json!({
                    "type": "integer", "minimum": 1, "maximum": 100, "default": 20,
                }),
                "The most orders in the answer.",
            )
            .query(
                "after",
                false,
                json!({ "type": "string", "format": "uuid" }),
                "The order after which the page begins: `next` of the page before.",
            )
            .answers::<orders::Listed>(
                200,
                "your orders",
                json!({
                    "orders": [summary()], "next": null,
                }),
            ),
        Op::get("/api/v1/orders/{id}", "orders", "An order as it stands")
            .by(Caller::SignedIn)
            .answers::<orders::One>(200, "order", json!({ "order": order("RESERVED") }))
            .refuses(not_found()),
        Op::get("/api/v1/orders/{id}/stream", "orders", "What happens to an order, as it happens")
            .by(Caller::SignedIn)
            .header(
                "Last-Event-ID",
                false,
                json!({ "type": "string", "pattern": "^[0-9]{1,18}$" }),
                "The last event that was seen: the stream begins after it.",
            )
            .says(
                200,
                "events named status, each with status, reason_code and at",
                Some("text/event-stream"),
            )
            .says(204, "everything was seen, and nothing more will come", None)
            .refuses(not_found()),
        Op::post("/api/v1/orders/{id}/cancel", "orders", "Calls an order off that is not paid")
            .by(Caller::SignedIn)
            .keyed()
            .takes::<cancel::Wish>(json!({ "reason": "ordered twice" }))
            .answers::<cancel::Requested>(
                202,
                "cancellation requested",
                json!({
                    "order_id": ORDER, "cancellation": "REQUESTED",
                }),
            )
            .refuses([ApiError::TooLate])
            .refuses(ended),
        Op::post(
            "/api/v1/orders/{id}/retry",
            "orders",
            "Tries an order again whose payment failed",
        )
        .by(Caller::SignedIn)
        .keyed()
        .answers::<retry::Retried>(
            202,
            "the order is tried again",
            json!({
                "order": order("PENDING"),
            }),
        )
        .refuses([ApiError::AttemptsUsedUp(3)])
        .refuses(not_found())
        .refuses(each_status().map(ApiError::OrderEnded)),
    ]
}

fn refunding() -> Vec<Op> {
    let one = || json!({ "refund": refund() });
    vec![
        Op::post("/api/v1/orders/{id}/refunds", "refunds", "Asks for money back, all or a part")
            .by(Caller::SignedIn)
            .keyed()
            .takes::<refunds::Wish>(json!({
                "amount": rupees("120.00"), "reason": "one was broken",
            }))
            .answers::<refunds::One>(202, "refund requested", one())
            .answers::<refunds::One>(200, "refund requested before", one())
            .refuses([ApiError::Forbidden, ApiError::IdempotencyConflict])
            .refuses([ApiError::RefundTooLarge(no_money()), ApiError::RefundTooSmall(no_money())])
            .refuses([ApiError::OutsidePolicy(OutsidePolicy::TooLate)])
            .refuses(not_found())
            .refuses(each_status().map(ApiError::NothingToRefund)),
        Op::get("/api/v1/orders/{id}/refunds", "refunds", "The refunds of an order")
            .by(Caller::SignedIn)
            .answers::<refunds::Listed>(
                200,
                "refunds of the order",
                json!({
                    "refunds": [refund()],
                }),
            )
            .refuses(not_found()),
        Op::get("/api/v1/orders/{id}/refunds/{refund_id}", "refunds", "A refund as it stands")
            .by(Caller::SignedIn)
            .answers::<refunds::One>(200, "refund", one())
            .refuses([ApiError::RefundNotFound])
            .refuses(not_found()),
        Op::get("/api/v1/reconciliations", "refunds", "What comparing with the gateway found")
            .by(Caller::Admin)
            .query(
                "report",
                false,
                json!({ "type": "string", "format": "uuid" }),
                "This report alone, with what it found.",
            )
            .answers::<reconciliations::Reports>(
                200,
                "reconciliations",
                json!({
                    "reports": [], "findings": [],
                }),
            ),
    ]
}

fn paying() -> Vec<Op> {
    let event = json!({
        "event": "payment.captured",
        "payload": { "payment": { "entity": { "id": "pay_29QQoUBi66xm2f" } } },
    });
    let signature = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let verified = || {
        json!({
            "order_id": ORDER, "order_status": "PAID", "payment_status": "SUCCESS",
        })
    };
    vec![
        Op::post("/api/v1/payments/create-session", "payments", "What the gateway's page needs")
            .by(Caller::SignedIn)
            .takes::<payments::Wanted>(json!({ "order_id": ORDER }))
            .answers::<payments::SessionView>(
                200,
                "payment session",
                json!({
                    "payment_id": PAYMENT,
                    "gateway": "razorpay",
                    "key_id": "rzp_test_1DP5mmOlF5G5ag",
                    "gateway_order_id": "order_9A33XWu170gUtm",
                    "amount_minor": 24000,
                    "amount": rupees("240.00"),
                    "currency": "INR",
                    "expires_at": LATER,
                }),
            )
            .refuses([ApiError::SessionNotReady])
            .refuses(not_found())
            .refuses(each_status().map(ApiError::OrderEnded)),
        Op::get("/api/v1/payments/{id}", "payments", "A payment as it stands")
            .by(Caller::SignedIn)
            .answers::<payment::PaymentView>(
                200,
                "payment",
                json!({
                    "payment_id": PAYMENT,
                    "order_id": ORDER,
                    "status": "SUCCESS",
                    "amount": rupees("240.00"),
                    "gateway_order_id": "order_9A33XWu170gUtm",
                    "gateway_payment_id": "pay_29QQoUBi66xm2f",
                    "created_at": NOW,
                    "updated_at": NOW,
                }),
            )
            .refuses([ApiError::PaymentNotFound])
            .refuses(not_found()),
        Op::post("/api/v1/payments/verify", "payments", "Hands in what the gateway's page gave")
            .by(Caller::SignedIn)
            .takes::<payments::HandedBack>(json!({
                "order_id": ORDER,
                "razorpay_order_id": "order_9A33XWu170gUtm",
                "razorpay_payment_id": "pay_29QQoUBi66xm2f",
                "razorpay_signature": SIGNATURE,
            }))
            .answers::<payments::Verified>(200, "payment settled", verified())
            .answers::<payments::Verified>(202, "payment is being settled", verified())
            .refuses([ApiError::BadSignature, ApiError::WrongGatewayOrder])
            .refuses(not_found()),
        Op::post("/api/v1/webhooks/razorpay", "webhooks", "An event of the gateway, signed")
            .header("X-Razorpay-Signature", true, signature, "HMAC-SHA-256 of the body, in hex.")
            .header(
                "X-Razorpay-Event-Id",
                false,
                json!({
                    "type": "string", "pattern": "^[!-~]{1,200}$",
                }),
                "The same for every delivery of one event.",
            )
            .takes_anything(event)
            .answers::<razorpay::Taken>(200, "received", json!({ "received": true }))
            .refuses([ApiError::BadSignature]),
    ]
}

fn inside() -> Vec<Op> {
    let found = || [ApiError::OrderNotFound];
    vec![
        Op::get("/internal/v1/orders/expiring", "internal", "Unpaid orders whose time ends soon")
            .by(Caller::Service)
            .query(
                "within_secs",
                true,
                json!({
                    "type": "integer", "minimum": 0, "maximum": u32::MAX,
                }),
                "How soon.",
            )
            .answers::<internal::Expiring>(200, "expiring orders", json!({ "orders": [stand()] })),
        Op::post("/internal/v1/orders/{id}/confirm", "internal", "Has the gateway asked about it")
            .by(Caller::Service)
            .keyed()
            .answers::<internal::Stand>(200, "order", stand())
            .answers::<internal::Stand>(202, "the gateway is asked", stand())
            .refuses(found()),
        Op::post("/internal/v1/orders/{id}/expire", "internal", "Ends an unpaid order early")
            .by(Caller::Service)
            .keyed()
            .answers::<internal::Stand>(202, "expiry requested", stand())
            .refuses([ApiError::TooLate])
            .refuses(found())
            .refuses(each_status().map(ApiError::OrderEnded)),
    ]
}

fn operating() -> Vec<Op> {
    let json_text = Some("application/json");
    let bare = |path, about| Op::get(path, "operation", about).bare();
    vec![
        bare("/livez", "The process answers").answers::<health::Alive>(
            200,
            "alive",
            json!({ "status": "ok" }),
        ),
        bare("/readyz", "Whether requests can be served")
            .answers::<health::Readiness>(200, "ready", readiness("ready", "ok"))
            .answers::<health::Readiness>(
                503,
                "not ready",
                readiness("not ready", "fail: no answer in time"),
            ),
        bare("/health/db", "A query that reads a table")
            .answers::<health::Database>(
                200,
                "it answers",
                json!({
                    "status": "ok", "latency_ms": 2,
                }),
            )
            .answers::<health::Database>(503, "it does not", json!({ "status": "fail" })),
        bare("/info", "Name and version").answers::<health::Info>(
            200,
            "this build",
            json!({
                "name": "makegood-api", "version": env!("CARGO_PKG_VERSION"),
            }),
        ),
        bare("/metrics", "For Prometheus").says(200, "all metrics", Some("text/plain")),
        bare("/openapi.json", "This document").says(200, "OpenAPI 3.1", json_text),
    ]
}

const USER: &str = "01997b5f-fcf4-7d2e-8f6b-9f1b8a3c4d5e";
const ORDER: &str = "01997b60-1a2b-7c3d-9e4f-5a6b7c8d9e0f";
const PAYMENT: &str = "01997b60-2b3c-7d4e-8f5a-6b7c8d9e0f1a";
const REFUND: &str = "01997b61-3c4d-7e5f-9a6b-7c8d9e0f1a2b";
const NOW: &str = "2026-11-20T18:30:00Z";
const LATER: &str = "2026-11-20T19:00:00Z";
const SIGNATURE: &str = "a3f1c5d2e4b60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00";

fn each_status() -> impl Iterator<Item = OrderStatus> {
    OrderStatus::ALL.iter().copied()
}

fn not_found() -> [ApiError; 2] {
    [ApiError::OrderNotFound, ApiError::NotYours]
}

fn no_money() -> Money {
    Money::zero(Currency::Inr)
}

fn rupees(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "INR" })
}

fn order(status: &str) -> Value {
    json!({
        "order_id": ORDER,
        "order_number": "MG-7K3M-2QX9",
        "status": status,
        "reason_code": null,
        "attempt": 1,
        "lines": [{
            "sku": "TEA",
            "name": "Tea, 100 g",
            "unit_price": rupees("120.00"),
            "quantity": 2,
            "line_total": rupees("240.00"),
        }],
        "subtotal": rupees("240.00"),
        "tax": rupees("0.00"),
        "total": rupees("240.00"),
        "refunds": [],
        "expires_at": LATER,
        "created_at": NOW,
    })
}

fn summary() -> Value {
    json!({
        "order_id": ORDER,
        "order_number": "MG-7K3M-2QX9",
        "status": "PAID",
        "reason_code": null,
        "total": rupees("240.00"),
        "expires_at": LATER,
        "created_at": NOW,
    })
}

fn refund() -> Value {
    json!({
        "refund_id": REFUND,
        "order_id": ORDER,
        "amount": rupees("120.00"),
        "status": "PROCESSED",
        "reason": "one was broken",
        "override_reason": null,
        "actor": format!("customer:{USER}"),
        "failure_code": null,
        "gateway_refund_id": "rfnd_FP8QHiV938haTz",
        "created_at": NOW,
        "updated_at": NOW,
    })
}

fn stand() -> Value {
    json!({
        "order_id": ORDER,
        "order_number": "MG-7K3M-2QX9",
        "status": "RESERVED",
        "expires_at": LATER,
    })
}

fn readiness(status: &str, database: &str) -> Value {
    let checks = json!({
        "database": database, "migrations": "ok", "worker": "ok", "stopping": false,
    });
    json!({ "status": status, "checks": checks })
}

//! The names of the calls under `/v1`, which faults, odds and counts use.

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// One kind of call under `/v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /orders`
    CreateOrder,
    /// `GET /orders/{id}`
    GetOrder,
    /// `GET /orders`
    ListOrders,
    /// `GET /orders/{id}/payments`
    OrderPayments,
    /// `PATCH /orders/{id}`
    UpdateOrder,
    /// `GET /payments/{id}`
    GetPayment,
    /// `GET /payments`
    ListPayments,
    /// `PATCH /payments/{id}`
    UpdatePayment,
    /// `POST /payments/{id}/capture`
    Capture,
    /// `POST /payments/{id}/refund`
    Refund,
    /// `GET /payments/{id}/refunds`
    PaymentRefunds,
    /// `GET /refunds`
    ListRefunds,
    /// `GET /refunds/{id}` and `GET /payments/{id}/refunds/{rid}`
    GetRefund,
    /// `PATCH /refunds/{id}`
    UpdateRefund,
    /// `GET /settlements/recon/combined`
    Settlements,
}

impl Operation {
    /// The name as it is written in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateOrder => "create_order",
            Self::GetOrder => "get_order",
            Self::ListOrders => "list_orders",
            Self::OrderPayments => "order_payments",
            Self::UpdateOrder => "update_order",
            Self::GetPayment => "get_payment",
            Self::ListPayments => "list_payments",
            Self::UpdatePayment => "update_payment",
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::PaymentRefunds => "payment_refunds",
            Self::ListRefunds => "list_refunds",
            Self::GetRefund => "get_refund",
            Self::UpdateRefund => "update_refund",
            Self::Settlements => "settlements",
        }
    }

    /// The call that `method` and `path` (with or without `/v1`) make, and the id in the path.
    pub(crate) fn of<'path>(
        method: &Method,
        path: &'path str,
    ) -> Option<(Self, Option<&'path str>)> {
        let path = path.strip_prefix("/v1").unwrap_or(path).trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let found = match (method.as_str(), parts.as_slice()) {
            ("POST", ["orders"]) => (Self::CreateOrder, None),
            ("GET", ["orders"]) => (Self::ListOrders, None),
            ("GET", ["orders", id]) => (Self::GetOrder, Some(*id)),
            ("PATCH", ["orders", id]) => (Self::UpdateOrder, Some(*id)),
            ("GET", ["orders", id, "payments"]) => (Self::OrderPayments, Some(*id)),
            ("GET", ["payments"]) => (Self::ListPayments, None),
            ("GET", ["payments", id]) => (Self::GetPayment, Some(*id)),
            ("PATCH", ["payments", id]) => (Self::UpdatePayment, Some(*id)),
            ("POST", ["payments", id, "capture"]) => (Self::Capture, Some(*id)),
            ("POST", ["payments", id, "refund"]) => (Self::Refund, Some(*id)),
            ("GET", ["payments", id, "refunds"]) => (Self::PaymentRefunds, Some(*id)),
            ("GET", ["refunds"]) => (Self::ListRefunds, None),
            ("GET", ["refunds", id] | ["payments", _, "refunds", id]) => {
                (Self::GetRefund, Some(*id))
            }
            ("PATCH", ["refunds", id]) => (Self::UpdateRefund, Some(*id)),
            ("GET", ["settlements", "recon", "combined"]) => (Self::Settlements, None),
            _ => return None,
        };
        Some(found)
    }
}

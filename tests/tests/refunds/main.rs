//! Money back: asked for by customers and admins, made by hand at the gateway, left over by
//! checkouts. Whatever happens on the way, our books and the gateway's agree in the end.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first fault")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod asking;
mod found;
mod rules;
mod trouble;

use makegood_tests::{Customer, Plan, Shop};
use serde_json::{Value, json};

/// An open shop with tea at 10.00, an order of it that was paid, and the gateway's payment.
struct Paid {
    shop: Shop,
    customer: Customer,
    order: String,
    payment: String,
}

impl Paid {
    async fn in_a_shop(plan: Plan) -> Self {
        let shop = plan.open().await;
        shop.product("tea", 10).await;
        let customer = shop.customer().await;
        let order = customer.buy(&[("tea", 1)]).await;
        shop.all_ended().await;
        let payment = shop.gateway_truth().await.payments_of(&order)[0].id.clone();
        Self { shop, customer, order, payment }
    }

    /// How the gateway carries refunds out from now on: `processed`, `pending` or `failed`.
    async fn refunds_are(&self, mode: &str) {
        let url = self.shop.gateway("/sandbox/refund-mode");
        let request = makegood_tests::Web::new().put(&url).json(&json!({ "mode": mode }));
        makegood_tests::Answer::of(request).await.unwrap().expect(204);
    }

    async fn ask(&self, key: &str, wish: Value) -> makegood_tests::Answer {
        self.customer.refund(&self.order, key, wish).await
    }

    /// What the ledger has in an account for the order: debits less credits.
    async fn booked(&self, account: &str) -> i64 {
        self.shop
            .read(&format!(
                "select coalesce(sum(e.debit_minor - e.credit_minor), 0)::bigint
                 from ledger_entries e
                 join ledger_transactions t on t.ledger_transaction_id = e.ledger_transaction_id
                 where t.order_id::text = '{}' and e.account = '{account}'",
                self.order
            ))
            .await
    }
}

fn inr(amount: &str) -> Value {
    json!({"amount": {"amount": amount, "currency": "INR"}})
}

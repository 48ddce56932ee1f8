//! What dev tells a newcomer: where everything is, and three things to try.

use std::path::PathBuf;

use crate::commands::operators::Password;
use crate::demo::{
    child::Child,
    goods::{GOODS, SCARCE},
    progress::say,
};

/// The account that dev makes.
pub(super) const EMAIL: &str = "you@shop.example";
/// Its password: there is nothing behind it worth stealing.
pub(super) const PASSWORD: &str = "a-password-for-dev-only";

/// The operator that dev makes.
pub(super) const OPERATOR: &str = "admin";

/// Where everything is.
pub(super) struct Addresses {
    pub(super) api: String,
    pub(super) sandbox: String,
    pub(super) database: String,
    pub(super) logs: PathBuf,
    /// The password of the operator.
    pub(super) password: Password,
}

/// Prints it all.
pub(super) fn print(at: &Addresses, worker: Option<&Child>) {
    let Addresses { api, sandbox, database, logs, password } = at;
    let password = password.text();
    let worker_url = worker.map(Child::url).unwrap_or_default();
    let pid = worker.and_then(Child::pid).unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("makegood"));
    let skus = GOODS.map(|(sku, ..)| sku).join(", ");
    say(&format!(
        r#"
  console          {api}/console   sign in as {OPERATOR} with {password}
  API              {api}   health: {api}/readyz
  gateway sandbox  {sandbox}   its books: {sandbox}/sandbox/state
  worker           {worker_url}   metrics: {worker_url}/metrics   pid {pid}
  database         {database}
  logs             {}
  products         {skus}; {SCARCE} (hardly any left)
  login            {EMAIL} / {PASSWORD}

All of this in one terminal. 1. Place an order (stock is held for half an hour):

  TOKEN=$(curl -s {api}/api/v1/auth/login -H 'content-type: application/json' \
    -d '{{"email":"{EMAIL}","password":"{PASSWORD}"}}' | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
  ORDER=$(curl -s {api}/api/v1/orders -H "authorization: Bearer $TOKEN" \
    -H 'content-type: application/json' -H "idempotency-key: order-$(date +%s)" \
    -d '{{"lines":[{{"sku":"TEA-GREEN","quantity":2}}]}}' \
    | sed -n 's/.*"order_id":"\([^"]*\)".*/\1/p'); echo $ORDER

2. Watch its status live: what comes appears between your commands.

  curl -sN {api}/api/v1/orders/$ORDER/stream -H "authorization: Bearer $TOKEN" &

3. Kill the worker, then pay: it is started again and goes on. Pay on the gateway's page or by curl.

  GATEWAY=$(curl -s {api}/api/v1/payments/create-session -H "authorization: Bearer $TOKEN" \
    -H 'content-type: application/json' -d "{{\"order_id\":\"$ORDER\"}}" \
    | sed -n 's/.*"gateway_order_id":"\([^"]*\)".*/\1/p'); echo {sandbox}/checkout/$GATEWAY
  kill -9 {pid}
  curl -s {sandbox}/checkout/pay -H 'content-type: application/json' \
    -d "{{\"order_id\":\"$GATEWAY\",\"method\":\"upi\",\"vpa\":\"success@razorpay\"}}"

Look behind it:

  export MAKEGOOD_DATABASE_URL={database}
  alias makegood={}
  makegood runs list; makegood runs show $ORDER; makegood audit; makegood doctor

Ctrl-C ends it; the next one begins anew, unless it is told to `--keep` the orders.
"#,
        logs.display(),
        program.display()
    ));
}

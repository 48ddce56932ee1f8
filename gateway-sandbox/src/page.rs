//! `GET /checkout/{order_id}`: the payment page a person clicks through in development.
//! Plain forms, nothing from outside, no inline script or style.

use std::fmt::Write;

use axum::{
    Form,
    extract::{Path, Query, State},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    app::Shared,
    checkout::{Paid, Pay, Shown, attempt},
    model::Order,
    refusal::Refusal,
    state::Outcome,
};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'";

/// Where the customer goes afterwards.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Return {
    /// Receives the three fields of a success.
    callback_url: Option<String>,
    /// `form` (default): the browser posts a form. `json`: the sandbox posts JSON and shows the answer.
    callback_as: Option<CallbackAs>,
    /// Where "close" leads.
    cancel_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CallbackAs {
    #[default]
    Form,
    Json,
}

/// Which button was pressed, and what the page knew.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    button: Button,
    #[serde(flatten)]
    back: Return,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Button {
    Success,
    Fail,
    Close,
}

/// `GET /checkout/{order_id}?callback_url=&callback_as=&cancel_url=`
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(order_id): Path<String>,
    Query(back): Query<Return>,
) -> Result<Response, Refusal> {
    let order = app.state().order(&order_id)?.clone();
    let fields = back.fields();
    let action = format!("/checkout/{}", escape(&order.id));
    Ok(page(&format!(
        "{}<form method=post action=\"{action}\">{fields}\
         <button name=button value=success>Pay</button>\
         <button name=button value=fail>Let the payment fail</button>\
         <button name=button value=close>Close</button></form>",
        heading(&order)
    )))
}

/// `POST /checkout/{order_id}`: a button was pressed.
pub(crate) async fn press(
    State(app): State<Shared>,
    Path(order_id): Path<String>,
    Form(Pressed { button, back }): Form<Pressed>,
) -> Result<Response, Refusal> {
    let outcome = match button {
        Button::Close => return Ok(closed(&back)),
        Button::Fail => Some(Outcome::Failed),
        Button::Success => None,
    };
    let vpa = Some("success@razorpay".to_owned());
    match attempt(&app, Pay { order_id: order_id.clone(), vpa, outcome, ..Pay::default() })? {
        Shown::Paid(paid) => Ok(match (&back.callback_url, back.callback_as.unwrap_or_default()) {
            (Some(url), CallbackAs::Form) => carry_on(url, &paid),
            (Some(url), CallbackAs::Json) => post_json(&app, url, &paid).await,
            (None, _) => page("<h1>Paid</h1><p>You may close this page.</p>"),
        }),
        Shown::Pending(_) => Ok(page("<h1>Pending</h1><p>The bank has not answered yet.</p>")),
        Shown::Failed(refusal) => {
            let again = back.query(&order_id);
            let reason = escape(refusal.description());
            let body =
                format!("<h1>Failed</h1><p>{reason}</p><p><a href=\"{again}\">Try again</a></p>");
            Ok((refusal.status(), page(&body)).into_response())
        }
    }
}

/// `GET /checkout/assets/page.css`
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css")], include_str!("assets/page.css"))
}

/// `GET /checkout/assets/continue.js`
pub(crate) async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript")], include_str!("assets/continue.js"))
}

impl Return {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let callback_as = self.callback_as.map(|way| match way {
            CallbackAs::Form => "form",
            CallbackAs::Json => "json",
        });
        [
            ("callback_url", self.callback_url.as_deref()),
            ("callback_as", callback_as),
            ("cancel_url", self.cancel_url.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
    }

    fn fields(&self) -> String {
        self.pairs().map(|(name, value)| hidden(name, value)).collect()
    }

    /// The page's own address again, with what it was called with.
    fn query(&self, order_id: &str) -> String {
        let mut url = reqwest::Url::parse("http://localhost/checkout/").ok();
        let joined = url.as_mut().and_then(|base| base.join(order_id).ok()).map(|mut url| {
            url.query_pairs_mut().extend_pairs(self.pairs());
            format!("{}?{}", url.path(), url.query().unwrap_or_default())
        });
        escape(&joined.unwrap_or_default())
    }
}

fn closed(back: &Return) -> Response {
    match &back.cancel_url {
        Some(url) => Redirect::to(url).into_response(),
        None => page("<h1>Closed</h1><p>Nothing was paid.</p>"),
    }
}

/// A form that carries the three fields to the shop, sent by itself where scripts run.
fn carry_on(url: &str, paid: &Paid) -> Response {
    let fields = [
        hidden("razorpay_payment_id", &paid.payment_id),
        hidden("razorpay_order_id", &paid.order_id),
        hidden("razorpay_signature", &paid.signature),
    ];
    page(&format!(
        "<h1>Paid</h1><form id=continue method=post action=\"{}\">{}\
         <button>Back to the shop</button></form>\
         <script src=\"/checkout/assets/continue.js\"></script>",
        escape(url),
        fields.concat()
    ))
}

async fn post_json(app: &Shared, url: &str, paid: &Paid) -> Response {
    let sent = app.http.post(url).timeout(app.config.webhook_timeout).json(paid).send().await;
    match sent {
        Ok(answer) => page(&format!("<h1>Paid</h1><p>The shop answered {}.</p>", answer.status())),
        Err(error) => {
            tracing::debug!(%error, "the shop did not take the callback");
            (StatusCode::BAD_GATEWAY, page("<h1>Paid</h1><p>The shop did not answer.</p>"))
                .into_response()
        }
    }
}

fn heading(order: &Order) -> String {
    let mut heading = format!(
        "<h1>Pay {} {}.{:02}</h1><p>{}",
        escape(&order.currency),
        order.amount.units() / 100,
        order.amount.units() % 100,
        escape(&order.id)
    );
    if let Some(receipt) = &order.receipt {
        // Writing into a String cannot fail.
        let _ = write!(heading, " for {}", escape(receipt));
    }
    heading + "</p>"
}

fn page(body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox checkout</title>\
         <link rel=stylesheet href=\"/checkout/assets/page.css\"><main>{body}</main></html>"
    );
    let headers = [(CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")];
    (headers, Html(html)).into_response()
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=hidden name={name} value=\"{}\">", escape(value))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

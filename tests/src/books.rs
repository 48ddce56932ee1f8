//! What the tables say: an order's whole trace in one value, the counters of a product, and
//! whether the shop's books and the gateway's agree.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgConnection};

use crate::gateway::Truth;

/// The counters of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Stock {
    /// Units on sale.
    pub available: i64,
    /// Units held for unpaid orders.
    pub reserved: i64,
    /// Units sold.
    pub sold: i64,
}

/// Everything that an order left behind, without ids and times: equal traces, equal effects.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Summary {
    /// Its status.
    pub status: String,
    /// Why, if it failed.
    pub reason: Option<String>,
    /// The state of its run.
    pub run: Option<String>,
    /// The statuses that it went through.
    pub events: Vec<String>,
    /// Its payments by status, strays marked.
    pub payments: Vec<String>,
    /// What became of captured money.
    pub captures: Vec<String>,
    /// Refunds by status.
    pub refunds: Vec<String>,
    /// Its ledger: kind, account, debit and credit of every entry.
    pub ledger: Vec<String>,
    /// The movements of its stock.
    pub movements: Vec<String>,
    /// What was announced about it.
    pub announced: Vec<String>,
}

const SUMMARY: &str = "
    select o.status, o.reason_code as reason,
      (select s.state from run_states s
       where s.workflow = 'checkout' and s.workflow_id = o.workflow_id) as run,
      array(select e.to_status from order_events e
            where e.order_id = o.order_id order by e.event_id) as events,
      array(select p.status || case when p.stray then ' stray' else '' end from payments p
            where p.order_id = o.order_id order by 1) as payments,
      array(select c.disposition from gateway_captures c
            where c.order_id = o.order_id order by 1) as captures,
      array(select r.status from refunds r where r.order_id = o.order_id order by 1) as refunds,
      array(select t.kind || ' ' || l.account || ' ' || l.debit_minor || ' ' || l.credit_minor
            from ledger_transactions t
            join ledger_entries l on l.ledger_transaction_id = t.ledger_transaction_id
            where t.order_id = o.order_id order by t.kind, l.entry_no) as ledger,
      array(select m.kind || ' ' || m.sku from stock_movements m
            join holds h on h.hold_id = m.hold_id
            where h.order_id = o.order_id order by m.movement_id) as movements,
      array(select b.topic from outbox b where b.key = o.order_id::text order by 1) as announced
    from orders o
    where o.order_id::text = $1";

/// An order's trace.
pub async fn summary(conn: &mut PgConnection, order_id: &str) -> Summary {
    sqlx::query_as(SUMMARY).bind(order_id).fetch_one(conn).await.unwrap()
}

/// A product's counters.
pub async fn stock(conn: &mut PgConnection, sku: &str) -> Stock {
    let counters = "select available, reserved, sold from inventory where sku = $1";
    sqlx::query_as(counters).bind(sku).fetch_one(conn).await.unwrap()
}

/// The records of an order's checkout, in order: kind and name of each.
pub(crate) async fn history(conn: &mut PgConnection, order_id: &str) -> Vec<String> {
    let records = "
        select s.kind || ' ' || s.name
        from steps s
        join runs r on r.run_id = s.run_id and r.workflow = 'checkout'
        join orders o on o.workflow_id = r.workflow_id
        where o.order_id::text = $1
        order by s.seq";
    sqlx::query_scalar(records).bind(order_id).fetch_all(conn).await.unwrap()
}

/// Where the promises do not hold: the engine's, the shop's, and, given the gateway's books, that
/// all money that came in pays an order or went back.
pub async fn faults(conn: &mut PgConnection, truth: &Truth) -> Vec<String> {
    let broken = makegood::inspect::faults(conn).await.unwrap();
    let mut faults: Vec<String> = broken.iter().map(|fault| format!("{fault:?}")).collect();
    let broken = store::audit::violations(conn).await.unwrap();
    faults.extend(broken.iter().map(|violation| format!("{violation:?}")));
    let ours = "select gateway_payment_id, disposition || ' ' || amount_minor
                from gateway_captures";
    let ours: Vec<(String, String)> = sqlx::query_as(ours).fetch_all(conn).await.unwrap();
    let ours: BTreeMap<String, String> = ours.into_iter().collect();
    let wanted = |status: &str| match status {
        "captured" => Some("FULFILLED"),
        "refunded" => Some("REFUNDED"),
        _ => None,
    };
    let theirs = truth.payments.iter();
    let theirs =
        theirs.filter_map(|p| Some((&p.id, format!("{} {}", wanted(&p.status)?, p.amount))));
    let theirs: BTreeMap<String, String> = theirs.map(|(id, word)| (id.clone(), word)).collect();
    for id in ours.keys().chain(theirs.keys()) {
        let (ours, theirs) = (ours.get(id), theirs.get(id));
        if ours != theirs {
            faults.push(format!("payment {id}: our books say {ours:?}, the gateway's {theirs:?}"));
        }
    }
    faults
}

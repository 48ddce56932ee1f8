//! One batch, and the same inputs one after the other: the same answers, the same rows.

use makegood::{Activity, ActivityResult, InBatch};
use sqlx::{Connection, PgConnection, Row};

/// Calls the activity with all inputs at once, takes that back, and calls it with each alone as
/// the engine would; the answers and the rows must be the same. What each alone did remains.
pub(crate) async fn same<A>(conn: &mut PgConnection, activity: &A, inputs: &[A::Input], case: &str)
where
    A: Activity<Kind = InBatch>,
    A::Output: std::fmt::Debug,
{
    // As the engine gives them: read from the record.
    let read = |input: &A::Input| serde_json::from_value(serde_json::json!(input)).unwrap();
    let mut tx = conn.begin().await.unwrap();
    let mut batch = tx.begin().await.unwrap();
    let answers = activity
        .run(&mut batch, inputs.iter().map(read).collect())
        .await
        .expect("no error of the whole");
    let at_once = (shown(answers), rows(&mut batch).await);
    batch.rollback().await.unwrap();
    let mut in_turn = Vec::new();
    for input in inputs {
        let mut alone = tx.begin().await.unwrap();
        let answers = activity.run(&mut alone, vec![read(input)]).await.expect("no error");
        let is_done = answers.iter().all(Result::is_ok);
        in_turn.extend(shown(answers));
        if is_done {
            alone.commit().await.unwrap();
        } else {
            alone.rollback().await.unwrap();
        }
    }
    let in_turn = (in_turn, rows(&mut tx).await);
    tx.commit().await.unwrap();
    let inputs = serde_json::json!(inputs);
    assert_eq!(at_once.0, in_turn.0, "{case}: the same answers to {inputs:#}");
    assert_eq!(at_once.1, in_turn.1, "{case}: the same rows after {inputs:#}");
}

/// Answers as one can compare them.
pub(crate) fn shown<T: std::fmt::Debug>(answers: Vec<ActivityResult<T>>) -> Vec<String> {
    answers.into_iter().map(|answer| format!("{answer:?}")).collect()
}

/// All that a checkout writes, ids of the database's own and times aside.
async fn rows(conn: &mut PgConnection) -> Vec<String> {
    let all = "
        select 'order' as kind, concat_ws(' ', order_id, status, reason_code, reason_detail, version,
                                          paid_at is not null) as seen from orders
        union all
        select 'event', concat_ws(' ', order_id, from_status, to_status, actor, reason)
        from order_events
        union all
        select 'stock', concat_ws(' ', sku, received, available, reserved, sold) from inventory
        union all
        select 'hold', concat_ws(' ', hold_id, order_id, state, ended_at is null) from holds
        union all
        select 'line', concat_ws(' ', hold_id, sku, quantity) from hold_lines
        union all
        select 'movement', concat_ws(' ', sku, hold_id, kind, available_delta, reserved_delta,
                                     sold_delta) from stock_movements
        union all
        select 'payment', concat_ws(' ', payment_id, status, gateway_payment_id, failure_code)
        from payments
        union all
        select 'capture', concat_ws(' ', gateway_payment_id, gateway_order_id, order_id, amount_minor,
                                    disposition) from gateway_captures
        union all
        select 'ledger', concat_ws(' ', t.order_id, t.kind, t.payment_ref, e.entry_no, e.account,
                                   e.debit_minor, e.credit_minor, e.currency)
        from ledger_transactions t
        left join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
        order by kind, seen";
    let rows = sqlx::query(all).fetch_all(conn).await.unwrap();
    rows.iter().map(|r| format!("{}: {}", r.get::<&str, _>(0), r.get::<&str, _>(1))).collect()
}

//! What the gateway paid out and took back, line by line, beside what our books say of it.
//! Never a posting: the ledger books money when it is captured and refunded.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{GatewayPaymentId, Money, PayoutKind};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;

use crate::{Conn, Result, row};

/// A line of the gateway's account of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutLine {
    /// The gateway's payment, refund or adjustment.
    pub gateway_id: String,
    /// What the line is about.
    pub kind: PayoutKind,
    /// The payout that it belongs to, when the gateway says.
    pub payout_id: Option<String>,
    /// The amount of the payment or refund.
    pub amount: Money,
    /// What the gateway keeps of it, in minor units, tax included.
    pub fee_minor: i64,
    /// The tax in the fee, in minor units.
    pub tax_minor: i64,
    /// The day that was asked for.
    pub day: NaiveDate,
}

/// What our books have against a line, in words; `None` when they agree.
pub async fn disagreement(conn: &mut Conn, line: &PayoutLine) -> Result<Option<String>> {
    match line.kind {
        PayoutKind::Payment => of_payment(conn, line).await,
        PayoutKind::Refund => of_refund(conn, line).await,
        PayoutKind::Other => Ok(None),
    }
}

async fn of_payment(conn: &mut Conn, line: &PayoutLine) -> Result<Option<String>> {
    let found = sqlx::query(
        "select c.amount_minor, c.currency, c.disposition,
                exists (
                  select from ledger_transactions t
                  join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
                  where t.payment_ref = c.gateway_payment_id
                    and t.kind in ('CAPTURE', 'STRAY_CAPTURE') and e.account = 'GATEWAY'
                    and e.debit_minor = c.amount_minor and e.currency = c.currency) as is_posted
         from gateway_captures c
         where c.gateway_payment_id = $1",
    )
    .bind(&line.gateway_id)
    .fetch_optional(conn)
    .await?;
    let Some(found) = found else {
        return Ok(Some("our books do not know this payment".to_owned()));
    };
    let disposition: String = row::get(&found, "disposition")?;
    if disposition == "OPEN" {
        return Ok(Some("nothing became of this payment yet".to_owned()));
    }
    agree(&found, line)
}

async fn of_refund(conn: &mut Conn, line: &PayoutLine) -> Result<Option<String>> {
    let found = sqlx::query(
        "select r.amount_minor, r.currency, r.status,
                exists (
                  select from ledger_transactions t
                  join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
                  where t.payment_ref = r.refund_id::text
                    and t.kind in ('REFUND', 'STRAY_REFUND') and e.account = 'GATEWAY'
                    and e.credit_minor = r.amount_minor and e.currency = r.currency) as is_posted
         from refunds r
         where r.gateway_refund_id = $1",
    )
    .bind(&line.gateway_id)
    .fetch_optional(conn)
    .await?;
    let Some(found) = found else {
        return Ok(Some("our books do not know this refund".to_owned()));
    };
    let status: String = row::get(&found, "status")?;
    if status != "PROCESSED" {
        return Ok(Some(format!("our books have this refund as {status}")));
    }
    agree(&found, line)
}

fn agree(found: &PgRow, line: &PayoutLine) -> Result<Option<String>> {
    let ours = row::money(found, "amount_minor")?;
    if ours != line.amount {
        return Ok(Some(format!("our books say {ours}, the gateway {}", line.amount)));
    }
    let is_posted: bool = row::get(found, "is_posted")?;
    Ok((!is_posted).then(|| "it is not in the ledger".to_owned()))
}

/// Keeps a line with what our books have against it; a later look replaces an earlier one.
pub async fn keep(conn: &mut Conn, line: &PayoutLine, disagreement: Option<&str>) -> Result<()> {
    sqlx::query(
        "insert into payout_lines (gateway_id, kind, payout_id, amount_minor, fee_minor, tax_minor,
                                   currency, day, state, detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (gateway_id) do update
         set kind = excluded.kind, payout_id = excluded.payout_id,
             amount_minor = excluded.amount_minor, fee_minor = excluded.fee_minor,
             tax_minor = excluded.tax_minor, currency = excluded.currency, day = excluded.day,
             state = excluded.state, detail = excluded.detail, seen_at = excluded.seen_at",
    )
    .bind(&line.gateway_id)
    .bind(line.kind.as_str())
    .bind(&line.payout_id)
    .bind(line.amount.minor())
    .bind(line.fee_minor)
    .bind(line.tax_minor)
    .bind(line.amount.currency().as_str())
    .bind(line.day)
    .bind(if disagreement.is_some() { "BROKEN" } else { "MATCHED" })
    .bind(disagreement.unwrap_or_default())
    .execute(conn)
    .await?;
    Ok(())
}

/// Captured payments of that time for which the gateway has shown no line.
pub async fn never_paid_out(
    conn: &mut Conn,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<GatewayPaymentId>> {
    let rows = sqlx::query(
        "select c.gateway_payment_id
         from gateway_captures c
         where c.at >= $1 and c.at < $2
           and not exists (select from payout_lines l where l.gateway_id = c.gateway_payment_id)
         order by c.gateway_payment_id
         limit $3",
    )
    .bind(from)
    .bind(to)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|found| row::word(found, "gateway_payment_id")).collect()
}

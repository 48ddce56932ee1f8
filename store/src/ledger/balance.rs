//! The trial balance: what stands in each account. It sums, and judges nothing.

use domain::{Account, Money};

use crate::{Conn, Result, row};

/// What stands in an account, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The account.
    pub account: Account,
    /// The sum of its debits.
    pub debit: Money,
    /// The sum of its credits.
    pub credit: Money,
}

/// The balance of each account that has an entry, by currency, then by account.
pub async fn trial_balance(conn: &mut Conn) -> Result<Vec<Balance>> {
    let rows = sqlx::query(
        "select account, currency, sum(debit_minor)::bigint as debit_minor,
                sum(credit_minor)::bigint as credit_minor
         from ledger_entries
         group by account, currency
         order by currency, account",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            Ok(Balance {
                account: row::word(r, "account")?,
                debit: row::money(r, "debit_minor")?,
                credit: row::money(r, "credit_minor")?,
            })
        })
        .collect()
}

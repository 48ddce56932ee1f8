//! The ledger: double entry, written in the transaction that moves the money.
//! Never changed: a correction is a new transaction with the sides reversed.

use chrono::{DateTime, Utc};
use domain::{Account, Entry, LedgerKind, LedgerTransactionId, Money, OrderId, Side, TenantId};
use uuid::Uuid;

use crate::{Conn, Error, Result, row};

/// What a ledger transaction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An order.
    Order(OrderId),
    /// A service job.
    Job(Uuid),
}

/// A ledger transaction to be written.
#[derive(Clone, Debug)]
pub struct Posting<'a> {
    /// The transaction's id.
    pub ledger_transaction_id: LedgerTransactionId,
    /// Its shop.
    pub tenant_id: &'a TenantId,
    /// What it belongs to.
    pub subject: Subject,
    /// What it records.
    pub kind: LedgerKind,
    /// The gateway's payment id for money in, the refund's id for money out.
    pub payment_ref: &'a str,
    /// Its entries, which balance.
    pub entries: &'a [Entry],
}

/// An entry as it stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The transaction it belongs to.
    pub ledger_transaction_id: LedgerTransactionId,
    /// What the transaction records.
    pub kind: LedgerKind,
    /// The payment or refund.
    pub payment_ref: String,
    /// The entry.
    pub entry: Entry,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// Writes a balanced transaction; `false` when this kind exists for the payment already.
///
/// # Errors
/// `Unbalanced` when debits and credits differ.
pub async fn post(conn: &mut Conn, posting: &Posting<'_>) -> Result<bool> {
    let balanced = Entry::balance(posting.entries);
    if !balanced.map_err(|e| Error::InvalidRow(e.to_string()))? {
        return Err(Error::Unbalanced);
    }
    let (order, job) = match posting.subject {
        Subject::Order(order) => (Some(order.as_uuid()), None),
        Subject::Job(job) => (None, Some(job)),
    };
    let added = sqlx::query(
        "insert into ledger_transactions (ledger_transaction_id, tenant_id, order_id, job_id, kind,
                                          payment_ref)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (payment_ref, kind) do nothing",
    )
    .bind(posting.ledger_transaction_id.as_uuid())
    .bind(posting.tenant_id.as_str())
    .bind(order)
    .bind(job)
    .bind(posting.kind.as_str())
    .bind(posting.payment_ref)
    .execute(&mut *conn)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(false);
    }
    insert_entries(conn, posting.ledger_transaction_id, posting.entries).await?;
    Ok(true)
}

/// The entries of an order, in the order they were written.
pub async fn by_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Posted>> {
    let rows = sqlx::query(
        "select t.ledger_transaction_id, t.kind, t.payment_ref, t.at, e.account, e.debit_minor,
                e.credit_minor, e.currency
         from ledger_transactions t
         join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
         where t.order_id = $1
         order by t.at, t.ledger_transaction_id, e.entry_no",
    )
    .bind(order.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            let account: Account = row::word(r, "account")?;
            let debit: Money = row::money(r, "debit_minor")?;
            let entry = if debit.minor() > 0 {
                Entry::debit(account, debit)
            } else {
                Entry::credit(account, row::money(r, "credit_minor")?)
            };
            Ok(Posted {
                ledger_transaction_id: row::id(r, "ledger_transaction_id")?,
                kind: row::word(r, "kind")?,
                payment_ref: row::get(r, "payment_ref")?,
                entry,
                at: row::get(r, "at")?,
            })
        })
        .collect()
}

/// All entries in one statement: the database checks the balance when it ends.
async fn insert_entries(
    conn: &mut Conn,
    transaction: LedgerTransactionId,
    entries: &[Entry],
) -> Result<()> {
    let (mut accounts, mut debits, mut credits, mut currencies) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let (debit, credit, amount) = match entry.side {
            Side::Debit(amount) => (amount.minor(), 0, amount),
            Side::Credit(amount) => (0, amount.minor(), amount),
        };
        accounts.push(entry.account.as_str());
        debits.push(debit);
        credits.push(credit);
        currencies.push(amount.currency().as_str());
    }
    sqlx::query(
        "insert into ledger_entries (ledger_transaction_id, entry_no, account, debit_minor,
                                     credit_minor, currency)
         select t.ledger_transaction_id, e.entry_no, e.account, e.debit_minor, e.credit_minor,
                e.currency
         from ledger_transactions t,
           unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[]) with ordinality
             as e (account, debit_minor, credit_minor, currency, entry_no)
         where t.ledger_transaction_id = $1",
    )
    .bind(transaction.as_uuid())
    .bind(accounts)
    .bind(debits)
    .bind(credits)
    .bind(currencies)
    .execute(conn)
    .await?;
    Ok(())
}

//! The ledger: double entry, written in the transaction that moves the money.
//! Never changed: a correction is a new transaction with the sides reversed.

mod balance;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{Account, Entry, LedgerKind, LedgerTransactionId, Money, OrderId, Side, TenantId};
use uuid::Uuid;

use crate::{Conn, Error, Result, row};

pub use balance::{Balance, trial_balance};

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
    Ok(!post_all(conn, std::slice::from_ref(posting)).await?.is_empty())
}

/// Writes balanced transactions; answers those that were added. Each kind exists once for a payment.
///
/// # Errors
/// `Unbalanced`, with nothing written, when debits and credits of one differ.
pub async fn post_all(
    conn: &mut Conn,
    postings: &[Posting<'_>],
) -> Result<Vec<LedgerTransactionId>> {
    for posting in postings {
        let balanced = Entry::balance(posting.entries);
        if !balanced.map_err(|e| Error::InvalidRow(e.to_string()))? {
            return Err(Error::Unbalanced);
        }
    }
    let added = insert_transactions(conn, postings).await?;
    let written: Vec<_> =
        postings.iter().filter(|p| added.contains(&p.ledger_transaction_id)).collect();
    if !written.is_empty() {
        insert_entries(conn, &written).await?;
    }
    Ok(written.iter().map(|posting| posting.ledger_transaction_id).collect())
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

async fn insert_transactions(
    conn: &mut Conn,
    postings: &[Posting<'_>],
) -> Result<BTreeSet<LedgerTransactionId>> {
    let at: DateTime<Utc> =
        row::get(&sqlx::query("select now() as at").fetch_one(&mut *conn).await?, "at")?;
    let ids: Vec<Uuid> = postings.iter().map(|p| p.ledger_transaction_id.as_uuid()).collect();
    let tenants: Vec<&str> = postings.iter().map(|p| p.tenant_id.as_str()).collect();
    let (orders, jobs): (Vec<_>, Vec<_>) = postings
        .iter()
        .map(|posting| match posting.subject {
            Subject::Order(order) => (Some(order.as_uuid()), None),
            Subject::Job(job) => (None, Some(job)),
        })
        .unzip();
    let kinds: Vec<&str> = postings.iter().map(|p| p.kind.as_str()).collect();
    let references: Vec<&str> = postings.iter().map(|p| p.payment_ref).collect();
    let rows = sqlx::query(
        "insert into ledger_transactions (ledger_transaction_id, tenant_id, order_id, job_id, kind,
                                          payment_ref, at)
         select p.ledger_transaction_id, t.tenant_id, p.order_id, p.job_id, p.kind, p.payment_ref,
                $7
         from tenants t
         join unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
           with ordinality
           as p (ledger_transaction_id, tenant_id, order_id, job_id, kind, payment_ref, place)
           on p.tenant_id = t.tenant_id
         order by p.place
         on conflict (payment_ref, kind) do nothing
         returning ledger_transaction_id",
    )
    .bind(ids)
    .bind(tenants)
    .bind(orders)
    .bind(jobs)
    .bind(kinds)
    .bind(references)
    .bind(at)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| row::id(r, "ledger_transaction_id")).collect()
}

/// All entries in one statement: the database checks the balances when it ends.
async fn insert_entries(conn: &mut Conn, postings: &[&Posting<'_>]) -> Result<()> {
    let (mut of, mut places, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut debits, mut credits, mut currencies) = (Vec::new(), Vec::new(), Vec::new());
    for posting in postings {
        for (place, entry) in (1_i64..).zip(posting.entries) {
            let (debit, credit, amount) = match entry.side {
                Side::Debit(amount) => (amount.minor(), 0, amount),
                Side::Credit(amount) => (0, amount.minor(), amount),
            };
            of.push(posting.ledger_transaction_id.as_uuid());
            places.push(place);
            accounts.push(entry.account.as_str());
            debits.push(debit);
            credits.push(credit);
            currencies.push(amount.currency().as_str());
        }
    }
    sqlx::query(
        "insert into ledger_entries (ledger_transaction_id, entry_no, account, debit_minor,
                                     credit_minor, currency)
         select t.ledger_transaction_id, e.entry_no, e.account, e.debit_minor, e.credit_minor,
                e.currency
         from ledger_transactions t
         join unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
           as e (ledger_transaction_id, entry_no, account, debit_minor, credit_minor, currency)
           on e.ledger_transaction_id = t.ledger_transaction_id",
    )
    .bind(of)
    .bind(places)
    .bind(accounts)
    .bind(debits)
    .bind(credits)
    .bind(currencies)
    .execute(conn)
    .await?;
    Ok(())
}

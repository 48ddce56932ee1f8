//! `makegood ledger`: what the books say. It changes nothing: nobody can.

use std::collections::BTreeMap;

use domain::Money;
use serde::Serialize;
use sqlx::PgConnection;
use store::ledger::{self, Balance};

use crate::args::{LedgerArgs, LedgerVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

#[derive(Serialize)]
struct Line {
    account: String,
    debit: Money,
    credit: Money,
    balance: Money,
}

#[derive(Serialize)]
struct Answer {
    cell: String,
    accounts: Vec<Line>,
    /// The sums of debits and credits of each currency.
    totals: Vec<Line>,
    balanced: bool,
}

pub(crate) async fn run(args: &LedgerArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    let LedgerVerb::TrialBalance { output } = &args.verb;
    let answer = trial_balance(&mut conn, database.cell.to_string()).await?;
    match output.output {
        Format::Json => output::json(&answer),
        Format::Table => show(&answer),
    }
    if answer.balanced {
        return Ok(Exit::Done);
    }
    output::say("Debits and credits differ: run `makegood audit`, which names the transactions.");
    Ok(Exit::Failed)
}

async fn trial_balance(conn: &mut PgConnection, cell: String) -> Result<Answer, Problem> {
    let balances = ledger::trial_balance(conn).await.map_err(unread)?;
    let mut sums: BTreeMap<&str, (Money, Money)> = BTreeMap::new();
    for Balance { debit, credit, .. } in &balances {
        let currency = debit.currency();
        let nothing = Money::zero(currency);
        let (debits, credits) = sums.entry(currency.as_str()).or_insert((nothing, nothing));
        *debits = debits.checked_add(*debit).map_err(unsummed)?;
        *credits = credits.checked_add(*credit).map_err(unsummed)?;
    }
    let line = |account: String, debit: Money, credit: Money| {
        let balance = debit.checked_sub(credit).map_err(unsummed)?;
        Ok(Line { account, debit, credit, balance })
    };
    let accounts = balances.iter().map(|b| line(b.account.to_string(), b.debit, b.credit));
    let accounts = accounts.collect::<Result<Vec<_>, Problem>>()?;
    let totals = sums.values().map(|(debits, credits)| line("TOTAL".to_owned(), *debits, *credits));
    let totals = totals.collect::<Result<Vec<_>, Problem>>()?;
    let balanced = totals.iter().all(|total| total.balance.minor() == 0);
    Ok(Answer { cell, accounts, totals, balanced })
}

fn show(answer: &Answer) {
    let rows = answer.accounts.iter().chain(&answer.totals).map(|line| {
        let Line { account, debit, credit, balance } = line;
        let texts = [debit, credit, balance].map(|money| money.to_decimal().to_string());
        let currency = debit.currency().as_str().to_owned();
        std::iter::once(account.clone()).chain([currency]).chain(texts).collect()
    });
    output::table(&["account", "currency", "debit", "credit", "balance"], rows);
}

fn unread(error: store::Error) -> Problem {
    match error {
        store::Error::Database(error) => error.into(),
        other => Problem::new("the ledger cannot be read").because(other),
    }
}

fn unsummed(error: domain::MoneyError) -> Problem {
    Problem::new("the ledger cannot be summed").because(error)
}

//! The desk's activities in the database: copies, loans, deposits, notices.

use makegood::{Activity, ActivityError, ActivityResult, InTransaction, MadeGood, Undoes};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Somebody wants a book.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub loan: String,
    pub reader: String,
    pub title: String,
}

pub const DEPOSIT_CENTS: i32 = 500;

/// Takes a copy off the shelf, or says that there is none.
pub struct SetAside;

impl Activity for SetAside {
    const NAME: &'static str = "set_aside";
    type Kind = InTransaction;
    type Input = Request;
    type Output = String;

    async fn run(&self, tx: &mut PgConnection, request: Request) -> ActivityResult<String> {
        let sql = "update books set copies = copies - 1 where title = $1 and copies > 0";
        let taken = sqlx::query(sql).bind(&request.title).execute(&mut *tx).await?;
        if taken.rows_affected() == 0 {
            return Err(ActivityError::rejected("ALL_LENT"));
        }
        sqlx::query("insert into loans (loan, reader, title, state) values ($1, $2, $3, 'ASIDE')")
            .bind(&request.loan)
            .bind(&request.reader)
            .bind(&request.title)
            .execute(tx)
            .await?;
        Ok(request.loan)
    }
}

/// Puts the copy back, if it was taken.
pub struct PutBack;

impl Activity for PutBack {
    const NAME: &'static str = "put_back";
    type Kind = InTransaction;
    type Input = Undoes<SetAside>;
    type Output = bool;

    async fn run(&self, tx: &mut PgConnection, taken: Undoes<SetAside>) -> ActivityResult<bool> {
        let found = sqlx::query("delete from loans where loan = $1")
            .bind(&taken.input.loan)
            .execute(&mut *tx)
            .await?;
        if found.rows_affected() == 1 {
            let sql = "update books set copies = copies + 1 where title = $1";
            sqlx::query(sql).bind(&taken.input.title).execute(tx).await?;
        }
        Ok(found.rows_affected() == 1)
    }
}

/// Books an amount on a reader's account.
pub(crate) async fn book(
    tx: &mut PgConnection,
    reader: &str,
    cents: i32,
    why: &str,
) -> ActivityResult<()> {
    sqlx::query("insert into ledger (reader, cents, why) values ($1, $2, $3)")
        .bind(reader)
        .bind(cents)
        .bind(why)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes the deposit.
pub struct TakeDeposit;

impl Activity for TakeDeposit {
    const NAME: &'static str = "take_deposit";
    type Kind = InTransaction;
    type Input = Request;
    type Output = i32;

    async fn run(&self, tx: &mut PgConnection, request: Request) -> ActivityResult<i32> {
        book(tx, &request.reader, DEPOSIT_CENTS, "deposit").await?;
        Ok(DEPOSIT_CENTS)
    }
}

/// Gives the deposit back, as a booking of its own.
pub struct ReturnDeposit;

impl Activity for ReturnDeposit {
    const NAME: &'static str = "return_deposit";
    type Kind = InTransaction;
    type Input = Undoes<TakeDeposit>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, taken: Undoes<TakeDeposit>) -> ActivityResult<()> {
        if let Some(cents) = taken.output {
            book(tx, &taken.input.reader, -cents, "deposit returned").await?;
        }
        Ok(())
    }
}

/// The book is the reader's now.
pub struct HandOver;

impl Activity for HandOver {
    const NAME: &'static str = "hand_over";
    type Kind = InTransaction;
    type Input = Request;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, request: Request) -> ActivityResult<()> {
        sqlx::query("update loans set state = 'LENT' where loan = $1")
            .bind(&request.loan)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Puts up why nothing came of a request.
pub struct Notice;

impl Activity for Notice {
    const NAME: &'static str = "notice";
    type Kind = InTransaction;
    type Input = MadeGood<Request>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, ended: MadeGood<Request>) -> ActivityResult<()> {
        let text = format!("{} does not get {}", ended.input.reader, ended.input.title);
        sqlx::query("insert into notices (text) values ($1)").bind(text).execute(tx).await?;
        Ok(())
    }
}

/// Fines a reader who is late.
pub struct Fine;

impl Activity for Fine {
    const NAME: &'static str = "fine";
    type Kind = InTransaction;
    type Input = Request;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, request: Request) -> ActivityResult<()> {
        book(tx, &request.reader, 100, "late").await
    }
}

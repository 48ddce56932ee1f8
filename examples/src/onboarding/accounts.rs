//! Accounts in the database: opened, activated, removed. They send nothing.

use makegood::{Activity, ActivityError, ActivityResult, InTransaction, Undoes};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Newcomer;

/// Opens an account that is still to be verified; refuses with `EMAIL_TAKEN`.
pub struct OpenAccount;

impl Activity for OpenAccount {
    const NAME: &'static str = "open_account";
    type Kind = InTransaction;
    type Input = Newcomer;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, newcomer: Newcomer) -> ActivityResult<()> {
        // No look before: two newcomers of one address may come at the same time.
        let opened = sqlx::query(
            "insert into accounts (user_id, email) values ($1, $2) on conflict (email) do nothing",
        )
        .bind(newcomer.user_id)
        .bind(&newcomer.email)
        .execute(tx)
        .await?;
        match opened.rows_affected() {
            1 => Ok(()),
            _ => Err(ActivityError::rejected("EMAIL_TAKEN")),
        }
    }
}

/// Removes an account that was never active.
pub struct RemoveAccount;

impl Activity for RemoveAccount {
    const NAME: &'static str = "remove_account";
    type Kind = InTransaction;
    type Input = Undoes<OpenAccount>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, opened: Undoes<OpenAccount>) -> ActivityResult<()> {
        sqlx::query("delete from accounts where user_id = $1 and status = 'PENDING'")
            .bind(opened.input.user_id)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Activates an account: from here on there is only forward.
pub struct ActivateAccount;

impl Activity for ActivateAccount {
    const NAME: &'static str = "activate_account";
    type Kind = InTransaction;
    type Input = Uuid;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, user_id: Uuid) -> ActivityResult<()> {
        let activated = sqlx::query(
            "update accounts set status = 'ACTIVE' where user_id = $1 and status = 'PENDING'",
        )
        .bind(user_id)
        .execute(tx)
        .await?;
        match activated.rows_affected() {
            1 => Ok(()),
            _ => Err(ActivityError::rejected("NO_ACCOUNT")),
        }
    }
}

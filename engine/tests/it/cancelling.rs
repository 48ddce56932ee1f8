//! A dropped database future must not poison the pool that its connection goes back to.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use crate::support::TestCell;

/// Polls a future a number of times, letting the driver work in between, and drops it.
async fn dropped_after(polls: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let mut context = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_connection_returned_inside_a_transaction_is_not_lent_again() {
    let cell = TestCell::new().await;
    let pool = cell.database.pool("one", 1).await.unwrap();
    let mut borrowed = pool.acquire().await.unwrap();
    sqlx::raw_sql("begin").execute(&mut *borrowed).await.unwrap();
    drop(borrowed);
    let kept = "insert into notes (trip, note) values ('kept', 'x')";
    sqlx::query(kept).execute(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(cell.scalar::<i64>("select count(*) from notes where trip = 'kept'").await, 1);
}

#[tokio::test]
async fn a_transaction_dropped_at_any_await_loses_no_later_write() {
    let cell = TestCell::new().await;
    let pool = cell.database.pool("one", 1).await.unwrap();
    let mut finished = false;
    let mut polls = 1;
    while !finished && polls < 200 {
        finished = dropped_after(polls, async {
            let mut tx = pool.begin().await.unwrap();
            sqlx::query("insert into notes (trip, note) values ('dropped', 'x')")
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.rollback().await.unwrap();
        })
        .await;
        let done = sqlx::query("insert into notes (trip, note) values ('kept', $1)")
            .bind(polls.to_string())
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1, "the next borrower's write is acknowledged");
        let kept = format!("select count(*) from notes where trip = 'kept' and note = '{polls}'");
        assert_eq!(cell.scalar::<i64>(&kept).await, 1, "and there, seen from another connection");
        polls += 1;
    }
    assert!(finished, "every await point was met");
    assert_eq!(cell.scalar::<i64>("select count(*) from notes where trip = 'dropped'").await, 0);
}

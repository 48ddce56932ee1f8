//! Migrating: the whole schema on an empty cell, once, whoever comes at the same time.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use migrations::{Cell, Error, FILES, FileState, Part};
use sqlx::{Connection, PgConnection};
use support::{drop_cell, server, unique_cell};

/// A cell that is dropped at the end of the test.
struct Empty(Cell);

impl Empty {
    fn new() -> Self {
        Self(unique_cell())
    }

    async fn conn() -> PgConnection {
        PgConnection::connect(&server()).await.unwrap()
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        drop_cell(&server(), &self.0);
    }
}

#[tokio::test]
async fn migrating_an_empty_cell_twice_does_nothing_the_second_time() {
    let cell = Empty::new();
    let mut conn = Empty::conn().await;
    let states = migrations::status(&mut conn, &cell.0).await.unwrap();
    assert!(states.iter().all(|s| s.state == FileState::Pending), "nothing is applied at first");
    let first = migrations::run(&mut conn, &cell.0).await.unwrap();
    assert_eq!(first.applied.len(), FILES.len(), "the first run applies every file");
    let second = migrations::run(&mut conn, &cell.0).await.unwrap();
    assert_eq!((second.applied.len(), second.already), (0, FILES.len()), "the second none");
    let states = migrations::status(&mut conn, &cell.0).await.unwrap();
    assert!(states.iter().all(|s| s.state == FileState::Applied), "all are applied");
}

#[tokio::test]
async fn several_processes_that_migrate_at_once_apply_each_file_once() {
    let cell = Empty::new();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let cell = cell.0.clone();
        running.spawn(async move {
            migrations::run(&mut Empty::conn().await, &cell).await.unwrap().applied.len()
        });
    }
    let applied: usize = running.join_all().await.into_iter().sum();
    assert_eq!(applied, FILES.len(), "each file was applied by one of them");
}

#[tokio::test]
async fn a_changed_file_is_refused_by_name() {
    let cell = Empty::new();
    let mut conn = Empty::conn().await;
    migrations::run(&mut conn, &cell.0).await.unwrap();
    sqlx::query("update schema_migrations set checksum = 'x' where name = 'shop/003_orders.sql'")
        .execute(&mut conn)
        .await
        .unwrap();
    let refused = migrations::run(&mut conn, &cell.0).await;
    assert!(
        matches!(&refused, Err(Error::Changed { file }) if file == "shop/003_orders.sql"),
        "{refused:?}"
    );
    let states = migrations::status(&mut conn, &cell.0).await.unwrap();
    let changed = states.iter().find(|s| s.state == FileState::Changed).map(|s| s.file);
    assert_eq!(changed, Some("shop/003_orders.sql"), "the status names it too");
}

#[tokio::test]
async fn a_cell_of_a_newer_binary_is_refused() {
    let cell = Empty::new();
    let mut conn = Empty::conn().await;
    migrations::run(&mut conn, &cell.0).await.unwrap();
    sqlx::query("insert into schema_migrations (name, checksum) values ('shop/999.sql', 'x')")
        .execute(&mut conn)
        .await
        .unwrap();
    let refused = migrations::run(&mut conn, &cell.0).await;
    assert!(matches!(refused, Err(Error::Unknown { .. })), "{refused:?}");
}

#[tokio::test]
async fn two_cells_share_nothing() {
    let (one, two) = (Empty::new(), Empty::new());
    let mut conn = Empty::conn().await;
    migrations::run(&mut conn, &one.0).await.unwrap();
    sqlx::query("delete from tenants").execute(&mut conn).await.unwrap();
    migrations::run(&mut conn, &two.0).await.unwrap();
    let retail = store::tenants::get(&mut conn, &support::tenant()).await;
    assert!(retail.is_ok(), "the other cell has its own default tenant");
}

#[tokio::test]
async fn a_cell_of_the_engine_alone_leaves_every_other_name_free_and_may_become_whole() {
    let cell = Empty::new();
    let mut conn = Empty::conn().await;
    let engine = migrations::engine(&mut conn, &cell.0).await.unwrap();
    assert!(engine.applied.iter().all(|file| file.starts_with("engine/")), "{engine:?}");
    let own: Vec<String> = sqlx::query_scalar(
        "select tablename::text from pg_tables where schemaname = $1 and tablename = any($2)",
    )
    .bind(cell.0.name())
    .bind(["orders", "users", "products", "payments", "tenants", "outbox"].as_slice())
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(own, Vec::<String>::new(), "a shop of one's own may use these");
    let states = migrations::status(&mut conn, &cell.0).await.unwrap();
    assert_eq!(Part::of(&states), Part::Engine);
    let again = migrations::engine(&mut conn, &cell.0).await.unwrap();
    assert_eq!(again.applied, Vec::<&str>::new(), "a second run does nothing");
    let whole = migrations::run(&mut conn, &cell.0).await.unwrap();
    assert_eq!(whole.applied.len() + engine.applied.len(), FILES.len());
    let states = migrations::status(&mut conn, &cell.0).await.unwrap();
    assert_eq!(Part::of(&states), Part::Whole);
}

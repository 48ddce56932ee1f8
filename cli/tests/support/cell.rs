//! A migrated cell that nobody else uses, dropped at the end, also when the test fails.

use std::path::Path;
use std::sync::OnceLock;

use migrations::Cell;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Ended, command, ended};

/// The server for tests, alive until this process ends.
pub fn server() -> String {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    SERVER
        .get_or_init(|| devpg::shared::url(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap())
        .base_url()
        .to_owned()
}

/// A cell, and a runtime for what a test asks of it.
pub struct TestCell {
    pub url: String,
    pub cell: Cell,
    pub runtime: Runtime,
}

impl TestCell {
    /// A name that no other test has; nothing is in the database yet.
    pub fn unmade() -> Self {
        Self::on(server())
    }

    /// The same on another server.
    pub fn on(url: String) -> Self {
        let cell = Cell::new(&format!("t_{}", Uuid::now_v7().simple())).unwrap();
        let runtime = Runtime::new().unwrap();
        Self { url, cell, runtime }
    }

    /// A migrated cell.
    pub fn new() -> Self {
        Self::unmade().migrated()
    }

    #[must_use]
    pub fn migrated(self) -> Self {
        let mut conn = self.conn();
        self.runtime.block_on(migrations::run(&mut conn, &self.cell)).unwrap();
        self
    }

    pub fn conn(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.options([("search_path", self.cell.name())]);
        self.runtime.block_on(options.connect()).unwrap()
    }

    /// Statements of the test's own making, on a connection of their own.
    pub fn sql(&self, text: &str) {
        let mut conn = self.conn();
        let statements = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        self.runtime.block_on(statements.execute(&mut conn)).unwrap();
    }

    /// A transaction that stays open after this statement, until it is dropped.
    pub fn hold(&self, statement: &str) -> PgConnection {
        let mut conn = self.conn();
        let begun = sqlx::raw_sql(AssertSqlSafe(format!("begin; {statement}")));
        self.runtime.block_on(begun.execute(&mut conn)).unwrap();
        conn
    }

    /// One value of the tables.
    pub fn text(&self, query: &str) -> Option<String> {
        let mut conn = self.conn();
        let query = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
        self.runtime.block_on(query.fetch_optional(&mut conn)).unwrap()
    }

    /// Runs the binary on this cell.
    pub fn run(&self, args: &[&str]) -> Ended {
        let mut command = command(args);
        for (name, value) in self.env() {
            command.env(name, value);
        }
        ended(&mut command)
    }

    /// What the binary is told about where the tables are.
    pub fn env(&self) -> [(&'static str, String); 2] {
        [("MAKEGOOD_DATABASE_URL", self.url.clone()), ("MAKEGOOD_CELL", self.cell.to_string())]
    }
}

impl Drop for TestCell {
    fn drop(&mut self) {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let sql = format!("drop schema if exists {} cascade", self.cell);
        self.runtime.block_on(async {
            // A server of the test's own may be gone, with the cell in it.
            if let Ok(mut conn) = options.connect().await {
                let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
            }
        });
    }
}

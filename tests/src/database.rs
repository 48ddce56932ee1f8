//! Where a shop's tables are: a cell of its own, migrated, and dropped at the end.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use devpg::{Cluster, Options};
use makegood::Database;
use migrations::Cell;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// A migrated cell that nobody else uses, on the tests' server or on one of its own.
pub struct Place {
    /// The server's address.
    pub url: String,
    /// The cell.
    pub cell: Cell,
    /// A server that is this test's alone, and may be killed.
    pub cluster: Option<Cluster>,
}

/// The folder in which cargo put what it built.
pub(crate) fn built() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap();
    // Tests are a folder deeper than programs.
    if folder.ends_with("deps") { folder.parent().unwrap().to_owned() } else { folder.to_owned() }
}

/// The server for tests, alive until this process ends.
fn server() -> String {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    let folder = || built().parent().map_or_else(PathBuf::new, Path::to_owned).join("tmp");
    SERVER.get_or_init(|| devpg::shared::url(&folder()).unwrap()).base_url().to_owned()
}

/// A name that no other test has.
pub fn unique_cell() -> Cell {
    Cell::new(&format!("a_{}", Uuid::now_v7().simple())).unwrap()
}

impl Place {
    /// A fresh cell on the tests' server.
    pub async fn shared() -> Self {
        let url = spawn_blocking(server).await.unwrap();
        Self::migrated(url, None).await
    }

    /// A fresh cell on a server of its own.
    pub(crate) async fn private(options: Options) -> Self {
        let start = move || Cluster::start(&options).unwrap();
        let cluster = spawn_blocking(start).await.unwrap();
        Self::migrated(cluster.url("postgres"), Some(cluster)).await
    }

    async fn migrated(url: String, cluster: Option<Cluster>) -> Self {
        let cell = unique_cell();
        let mut conn = PgConnection::connect(&url).await.unwrap();
        migrations::run(&mut conn, &cell).await.unwrap();
        Self { url, cell, cluster }
    }

    /// The test's own connections.
    pub(crate) async fn pool(&self) -> PgPool {
        let database = Database::new(&self.url, self.cell.name()).unwrap();
        database.pool("acceptance", 6).await.unwrap()
    }
}

impl Drop for Place {
    /// From a thread of its own, because a test's runtime may be ending.
    fn drop(&mut self) {
        if self.cluster.is_some() {
            return;
        }
        let (url, sql) = (self.url.clone(), format!("drop schema if exists {} cascade", self.cell));
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut conn = PgConnection::connect(&url).await.unwrap();
                sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
            });
        });
        assert!(dropped.join().is_ok() || thread::panicking(), "the cell is dropped");
    }
}

//! The PostgreSQL on which all are measured: private, durable, the same settings for everybody.

use std::time::Duration;

use anyhow::Context;
use devpg::{Cluster, Options};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::usage;

/// Settings that are not PostgreSQL's defaults. Whether commits wait for the disk is.
const SHARED_BUFFERS_MIB: u32 = 1_024;
const MAX_CONNECTIONS: u32 = 300;

/// A running server.
pub(crate) struct Server {
    cluster: Cluster,
    admin: PgConnection,
    counts_statements: bool,
}

/// What the server has done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Statements of one database, transactions' begins and ends included; `None` when this server
    /// cannot count them.
    pub(crate) statements: Option<u64>,
    /// Transactions that wrote.
    pub(crate) writes: u64,
    pub(crate) wal_bytes: u64,
    pub(crate) cpu_ms: u64,
}

impl Server {
    /// Starts it on a new data folder.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let options = Options {
            shared_buffers_mib: SHARED_BUFFERS_MIB,
            max_connections: MAX_CONNECTIONS,
            ..Options::durable()
        };
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options)).await??;
        let mut admin = PgConnection::connect(&cluster.url("postgres")).await?;
        let counts_statements: bool = sqlx::query_scalar(
            "select exists (select 1 from pg_available_extensions where name = 'pg_stat_statements')",
        )
        .fetch_one(&mut admin)
        .await?;
        let server = Self { cluster, admin, counts_statements };
        if counts_statements { server.with_counting().await } else { Ok(server) }
    }

    /// Restarts it with the module that counts statements, switched off.
    async fn with_counting(mut self) -> anyhow::Result<Self> {
        sqlx::query("alter system set shared_preload_libraries = 'pg_stat_statements'")
            .execute(&mut self.admin)
            .await?;
        let mut cluster = self.cluster;
        let restarted = tokio::task::spawn_blocking(move || cluster.restart().map(|()| cluster));
        self.cluster = restarted.await??;
        self.admin = PgConnection::connect(&self.cluster.url("postgres")).await?;
        sqlx::query("create extension pg_stat_statements").execute(&mut self.admin).await?;
        self.count_statements(false).await?;
        Ok(self)
    }

    /// An empty database of this name, and its address.
    pub(crate) async fn fresh(&mut self, name: &str) -> anyhow::Result<String> {
        for sql in [
            format!("drop database if exists {name} with (force)"),
            format!("create database {name}"),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut self.admin).await?;
        }
        Ok(self.cluster.url(name))
    }

    /// Has statements counted from now on, or not: counting costs those most who send most, so
    /// nothing is timed meanwhile.
    pub(crate) async fn count_statements(&mut self, counted: bool) -> anyhow::Result<()> {
        if !self.counts_statements {
            return Ok(());
        }
        let track = if counted { "top" } else { "none" };
        let sql = format!("alter system set pg_stat_statements.track = '{track}'");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.admin).await?;
        sqlx::query("select pg_reload_conf()").execute(&mut self.admin).await?;
        // Every session is told at the same time as this one.
        let shown = "select current_setting('pg_stat_statements.track')";
        while sqlx::query_scalar::<_, String>(shown).fetch_one(&mut self.admin).await? != track {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Writes all changed pages, so that nobody pays for those of the one before.
    pub(crate) async fn checkpoint(&mut self) -> anyhow::Result<()> {
        sqlx::query("checkpoint").execute(&mut self.admin).await?;
        Ok(())
    }

    /// What has been done so far, with the statements of `database`.
    pub(crate) async fn read(&mut self, database: &str) -> anyhow::Result<Reading> {
        let row = sqlx::query(
            "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as writes,
               (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as wal_bytes",
        )
        .fetch_one(&mut self.admin)
        .await?;
        let number = |column: &str| -> anyhow::Result<u64> {
            Ok(u64::try_from(row.try_get::<i64, _>(column)?)?)
        };
        let (writes, wal_bytes) = (number("writes")?, number("wal_bytes")?);
        let statements =
            if self.counts_statements { Some(self.statements(database).await?) } else { None };
        let pid = self.cluster.pid().context("the server has ended")?;
        Ok(Reading { statements, writes, wal_bytes, cpu_ms: usage::cpu_ms(pid) })
    }

    async fn statements(&mut self, database: &str) -> anyhow::Result<u64> {
        let calls: i64 = sqlx::query_scalar(
            "select coalesce(sum(s.calls), 0)::bigint
             from pg_stat_statements s
             join pg_database d on d.oid = s.dbid
             where d.datname = $1",
        )
        .bind(database)
        .fetch_one(&mut self.admin)
        .await?;
        Ok(u64::try_from(calls)?)
    }

    pub(crate) fn version(&self) -> String {
        self.cluster.version().to_string()
    }

    /// Ends it and removes its data.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.admin.close().await?;
        let cluster = self.cluster;
        Ok(tokio::task::spawn_blocking(move || cluster.stop()).await??)
    }
}

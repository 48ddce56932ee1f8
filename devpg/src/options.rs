//! What a caller may choose about a cluster.

use std::path::PathBuf;

use crate::Binaries;

/// What the cluster is for, which decides how much it cares about a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For demo, dev and crash tests: every commit is on disk before it is acknowledged.
    Durable,
    /// For tests: no fsync, asynchronous commits, no full page writes. A killed server may lose
    /// its last acknowledged commits.
    Fast,
}

/// Where the data lives and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A new folder under the temporary folder, removed at the end.
    Ephemeral,
    /// This folder, created if missing, kept at the end and reused by the next start if the same
    /// major version wrote it.
    Persistent(PathBuf),
}

/// How to start a cluster; begin with [`Options::durable`] or [`Options::fast`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Durable or fast.
    pub purpose: Purpose,
    /// Ephemeral or persistent; ephemeral by default.
    pub data: Data,
    /// Shared buffers in MiB; 128 by default.
    pub shared_buffers_mib: u32,
    /// Connections the server admits; 100 by default, 300 for [`Purpose::Fast`].
    pub max_connections: u32,
    /// Whether the server counts statements, if its binaries come with `pg_stat_statements`; off by
    /// default. `create extension` makes the counts readable.
    pub counts_statements: bool,
    /// Further server settings, applied last: the later of two equal names wins.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// An ephemeral cluster that keeps what it acknowledged.
    pub fn durable() -> Self {
        Self {
            purpose: Purpose::Durable,
            data: Data::Ephemeral,
            shared_buffers_mib: 128,
            max_connections: 100,
            counts_statements: false,
            settings: Vec::new(),
        }
    }

    /// An ephemeral cluster for tests: fast, and forgetful in a crash.
    pub fn fast() -> Self {
        Self { purpose: Purpose::Fast, max_connections: 300, ..Self::durable() }
    }

    /// Keeps the data in `folder`.
    #[must_use]
    pub fn persistent(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Data::Persistent(folder.into());
        self
    }

    /// Counts statements, if the server's binaries come with `pg_stat_statements`.
    #[must_use]
    pub fn counting_statements(mut self) -> Self {
        self.counts_statements = true;
        self
    }

    /// Adds one server setting, as in `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The server's settings in the order in which they are given to it.
    pub(crate) fn server_settings(&self, port: u16, binaries: &Binaries) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "logging_collector=off".to_owned(),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
            format!("shared_buffers={}MB", self.shared_buffers_mib),
            format!("max_connections={}", self.max_connections),
        ];
        match self.purpose {
            Purpose::Durable => {}
            Purpose::Fast => settings.extend(
                ["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(String::from),
            ),
        }
        if self.counts_statements && binaries.has_library("pg_stat_statements") {
            settings.push("shared_preload_libraries=pg_stat_statements".to_owned());
        }
        settings.extend(self.settings.iter().map(|(name, value)| format!("{name}={value}")));
        settings
    }
}

//! One cluster for all the test processes of a workspace, however many run at once.
//! It never outlives its last user by more than a few seconds.
//!
//! The address lies in a file; the first process to find nobody at that address starts the
//! cluster, under a lock. Every user holds the writing end of a named pipe whose reading end the
//! guard holds: the last one's death closes it, and nobody has to tidy up.

use std::{
    env, fmt, fs,
    fs::{File, OpenOptions},
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::retry_on_intr,
};
use serde::{Deserialize, Serialize};

use crate::{
    Cluster, Error, Options,
    guard::{self, Lifeline},
};

/// Names a server to use instead of a private one.
const EXPLICIT: &str = "MAKEGOOD_DATABASE_URL";

/// A hold on a server for tests; the server lives at least as long as this value.
pub struct Shared {
    url: String,
    _hold: Option<File>,
}

impl fmt::Debug for Shared {
    /// Without the address, which holds the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The address of `database` on this server.
    pub fn url(&self, database: &str) -> String {
        with_database(&self.url, database)
    }

    /// The address as it was given or found, with the database it names.
    pub fn base_url(&self) -> &str {
        &self.url
    }
}

/// The server for tests: `MAKEGOOD_DATABASE_URL` if set, else the private cluster that everybody
/// with the same `folder` shares, started if nobody uses one yet.
///
/// `folder` is created if missing; one under `target` is a good choice. It holds a lock and the
/// cluster's address; the data lies under the temporary folder. Takes about 0.6 s when it starts
/// the cluster and a millisecond when it joins.
///
/// # Errors
/// Those of [`Cluster::start`], and [`Error::File`] for `folder`.
pub fn url(folder: &Path) -> Result<Shared, Error> {
    match env::var(EXPLICIT) {
        Ok(url) if !url.is_empty() => {
            tracing::info!("using the server named by {EXPLICIT}");
            Ok(Shared { url, _hold: None })
        }
        _ => private(folder),
    }
}

fn private(folder: &Path) -> Result<Shared, Error> {
    fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    let _start = start_lock(folder)?;
    let path = folder.join("makegood-pg.json");
    if let Some(shared) = Address::read(&path).and_then(Address::join) {
        return Ok(shared);
    }
    let cluster = Cluster::start_with(&Options::fast(), Lifeline::Users)?;
    Address::of(&cluster).write(&path)?;
    Ok(Shared { url: cluster.url("postgres"), _hold: cluster.release() })
}

/// Waits for its turn to look for the cluster; the others need at most the time of one start.
fn start_lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("makegood-pg.lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(Error::file("open", &path))?;
    retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
        .map_err(|error| Error::file("lock", path)(error.into()))?;
    Ok(file)
}

/// Where the shared cluster is, as the address file tells it.
#[derive(Serialize, Deserialize)]
struct Address {
    fifo: PathBuf,
    port: u16,
    url: String,
}

impl Address {
    fn of(cluster: &Cluster) -> Self {
        let fifo = guard::fifo(cluster.folder());
        Self { fifo, port: cluster.port(), url: cluster.url("postgres") }
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Replaces the file in one step; it holds a password, so only its owner may read it.
    fn write(&self, path: &Path) -> Result<(), Error> {
        let unfinished = path.with_extension("new");
        let text = serde_json::to_vec(self).map_err(|error| Error::File {
            action: "write",
            path: path.to_owned(),
            source: error.into(),
        })?;
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&unfinished, path))
            .map_err(Error::file("write", path))
    }

    /// Takes hold first and looks afterwards: a guard with a user never stops its server.
    fn join(self) -> Option<Shared> {
        let hold = guard::join(&self.fifo).ok()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        tracing::info!(port = self.port, "joined the shared PostgreSQL");
        Some(Shared { url: self.url, _hold: Some(hold) })
    }
}

/// `url` with its path replaced; parameters after `?` stay.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    format!("{scheme}://{authority}/{database}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_replaces_the_one_in_the_address_and_keeps_the_rest() {
        let cases = [
            ("postgres://u:p@h:5432/a", "postgres://u:p@h:5432/b"),
            ("postgresql://h", "postgresql://h/b"),
            ("postgres://h/a?sslmode=require&x=/y", "postgres://h/b?sslmode=require&x=/y"),
        ];
        for (given, wanted) in cases {
            assert_eq!(with_database(given, "b"), wanted);
        }
    }
}

//! What can go wrong with a private cluster, each with its cause and its next step.

use std::{io, path::PathBuf};

/// Why a private cluster could not be found, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable server binaries; `searched` has a line for each place and what was wrong with it.
    #[error(
        "no usable PostgreSQL 15 to 18 server binaries found\nsearched:\n{searched}\ndo one of:\n  \
         sudo apt-get install postgresql                       (Debian, Ubuntu)\n  \
         brew install postgresql@17                            (macOS, Linuxbrew)\n  \
         export MAKEGOOD_DATABASE_URL=postgres://user:password@host:5432/database\n\
         or name a folder that holds both initdb and postgres: export MAKEGOOD_PG_BIN=/path/to/bin"
    )]
    NoBinaries {
        /// One indented line for each place searched.
        searched: String,
    },

    /// Root must hand the server to another account and there is none.
    #[error(
        "PostgreSQL refuses to run as root and /etc/passwd has neither `postgres` nor `nobody`; \
         create one (useradd --system postgres) or run as an ordinary user"
    )]
    NoAccount,

    /// The account the server runs as cannot reach the folder.
    #[error(
        "the server runs as uid {uid}, which may not enter {}; choose a folder whose parents it \
         may enter, such as /var/tmp/makegood, or chmod o+x them", path.display()
    )]
    Unreachable {
        /// The folder that was asked for.
        path: PathBuf,
        /// The account's id.
        uid: u32,
    },

    /// A file or folder could not be read, written, created or given away.
    #[error("cannot {action} {}: {source}; check its owner, its mode and the free space", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },

    /// A program could not be run at all.
    #[error("cannot run {}: {source}; check that it exists and is executable", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },

    /// The data folder was written by another major version.
    #[error(
        "{} holds data of PostgreSQL {found}, but the binaries are version {binaries}; point \
         MAKEGOOD_PG_BIN at version {found}, or move the folder away to begin afresh", path.display()
    )]
    OtherVersion {
        /// The persistent folder.
        path: PathBuf,
        /// The major version that wrote it.
        found: String,
        /// The major version of the binaries.
        binaries: u32,
    },

    /// Another process has a cluster on this folder.
    #[error(
        "{} is in use by another process; stop that one, or choose another folder", path.display()
    )]
    InUse {
        /// The persistent folder.
        path: PathBuf,
    },

    /// `initdb` failed.
    #[error("initdb could not create {}; it said:\n{output}", path.display())]
    Initdb {
        /// The data folder.
        path: PathBuf,
        /// What initdb printed.
        output: String,
    },

    /// The server ended, or did not accept connections in time.
    #[error("the server did not start: {reason}; the end of {}:\n{tail}", log.display())]
    Start {
        /// What was seen.
        reason: String,
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The server ignored even SIGKILL.
    #[error("server process {pid} did not end within {seconds} s of SIGKILL; look at it with ps")]
    WillNotEnd {
        /// The server's process id.
        pid: u32,
        /// How long it was waited for.
        seconds: u64,
    },

    /// The pinned build could not be fetched.
    #[cfg(feature = "download")]
    #[error(
        "cannot fetch PostgreSQL {version}: {message}; check the network, or install it locally"
    )]
    Download {
        /// The pinned version.
        version: &'static str,
        /// What the download said.
        message: String,
    },
}

impl Error {
    /// For `map_err` on a file operation: `action` is a verb, such as "create".
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err` on the spawning of `program`.
    pub(crate) fn program(program: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Program { program, source }
    }
}

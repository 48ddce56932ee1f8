//! The folder of a cluster: data, password, log and lock, owned by the server's account.
//! It never holds two clusters, and never touches data of another major version.

use std::{
    env, fmt,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
    thread::sleep,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use crate::{Binaries, Data, Error, Options, Purpose, account::Account, random, sweep};

/// How every ephemeral cluster's folder begins.
pub(crate) const PREFIX: &str = "makegood-pg-";

/// A folder that is ready for the server.
pub(crate) struct Home {
    folder: PathBuf,
    ephemeral: bool,
    account: Account,
    password: String,
    _lock: File,
}

impl fmt::Debug for Home {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Home {
    /// Creates or reuses the folder that `options` ask for, with an initialised data folder.
    pub(crate) fn prepare(options: &Options, binaries: &Binaries) -> Result<Self, Error> {
        let (folder, account, ephemeral) = match &options.data {
            Data::Ephemeral => {
                let account = Account::choose(None)?;
                (create_ephemeral(account)?, account, true)
            }
            Data::Persistent(path) => {
                let path = absolute(path).map_err(Error::file("resolve", path))?;
                let account = Account::choose(Some(&path.join("data")))?;
                create_persistent(&path, account)?;
                (path, account, false)
            }
        };
        if let Account::Lesser { uid, .. } = account {
            tracing::info!(uid, "running as root: the server gets a lesser account");
        }
        let lock = lock(&folder)?;
        let mut home = Self { folder, ephemeral, account, password: String::new(), _lock: lock };
        if let Err(error) = home.initialise(options.purpose, binaries) {
            home.remove_if_ephemeral();
            return Err(error);
        }
        Ok(home)
    }

    fn initialise(&mut self, purpose: Purpose, binaries: &Binaries) -> Result<(), Error> {
        self.create_file("server.log", "")?;
        let version_file = self.data().join("PG_VERSION");
        if let Ok(found) = fs::read_to_string(&version_file) {
            let (found, binaries) = (found.trim().to_owned(), binaries.version().major);
            if found != binaries.to_string() {
                return Err(Error::OtherVersion { path: self.folder.clone(), found, binaries });
            }
            let kept = self.folder.join("password");
            let password = fs::read_to_string(&kept).map_err(Error::file("read", kept))?;
            password.trim().clone_into(&mut self.password);
            tracing::info!(folder = %self.folder.display(), "reusing the data folder");
            return Ok(());
        }
        self.password = random::password()?;
        self.create_file("password", &self.password)?;
        self.initdb(purpose, binaries)
    }

    /// Runs initdb beside the final name, so that a data folder is either whole or not there.
    fn initdb(&self, purpose: Purpose, binaries: &Binaries) -> Result<(), Error> {
        let (unfinished, data) = (self.folder.join("data.new"), self.data());
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(Error::file("remove", &unfinished))?;
        }
        let program = binaries.folder().join("initdb");
        let mut command = self.account.command(&program);
        command.arg("--pgdata").arg(&unfinished).args(["--username=postgres", "--encoding=UTF8"]);
        command.args(["--locale=C", "--auth=scram-sha-256", "--no-instructions"]);
        command.arg("--pwfile").arg(self.folder.join("password"));
        match purpose {
            Purpose::Durable => {}
            Purpose::Fast => {
                command.arg("--no-sync");
            }
        }
        tracing::info!(folder = %data.display(), "creating the data folder");
        let output = command.output().map_err(Error::program(program))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let output = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(Error::Initdb { path: unfinished, output });
        }
        fs::rename(&unfinished, &data).map_err(Error::file("rename", unfinished))
    }

    fn create_file(&self, name: &str, content: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(Error::file("write", &path))?;
        self.account.own(&path)
    }

    /// Whether the server with this process id says that it accepts connections.
    pub(crate) fn is_ready(&self, pid: u32) -> bool {
        let Ok(file) = fs::read_to_string(self.data().join("postmaster.pid")) else { return false };
        let mut lines = file.lines().map(str::trim);
        lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
    }

    /// The server's log, opened for appending, and its length so far.
    pub(crate) fn open_log(&self) -> Result<(File, u64), Error> {
        let log = self.log();
        let opened = OpenOptions::new().append(true).open(&log);
        opened
            .and_then(|file| file.metadata().map(|found| (file, found.len())))
            .map_err(Error::file("open", log))
    }

    /// The last lines of the log after its first `skipped` bytes.
    pub(crate) fn log_tail(&self, skipped: u64) -> String {
        let mut text = Vec::new();
        let read = File::open(self.log()).and_then(|mut log| {
            log.seek(SeekFrom::Start(skipped))?;
            log.read_to_end(&mut text)
        });
        if let Err(error) = read {
            return format!("(unreadable: {error})");
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(crate) fn account(&self) -> Account {
        self.account
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// What a guard removes once nobody holds its lifeline.
    pub(crate) fn doomed(&self) -> Option<&Path> {
        self.ephemeral.then_some(self.folder.as_path())
    }

    /// Leaves the removal of an ephemeral folder to the guard.
    pub(crate) fn keep(&mut self) {
        self.ephemeral = false;
    }

    /// Removes an ephemeral folder. Backends of a killed server may write for a moment longer, so
    /// this tries for up to 5 s; what is left then goes with a later sweep.
    pub(crate) fn remove_if_ephemeral(&self) {
        for _ in 0..50 {
            match self.doomed().map(fs::remove_dir_all) {
                None | Some(Ok(())) => return,
                Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return,
                Some(Err(_)) => sleep(Duration::from_millis(100)),
            }
        }
        tracing::warn!(folder = %self.folder.display(), "could not remove the cluster's folder");
    }
}

/// A new folder under the temporary folder, or under `/tmp` where the account cannot enter that.
fn create_ephemeral(account: Account) -> Result<PathBuf, Error> {
    let base = match env::temp_dir() {
        base if account.check_entry(&base).is_ok() => base,
        _ => PathBuf::from("/tmp"),
    };
    sweep::sweep(&base);
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&base);
    let folder = folder.map_err(Error::file("create a folder in", base))?.keep();
    account.own(&folder)?;
    account.check_entry(&folder)?;
    Ok(folder)
}

fn create_persistent(folder: &Path, account: Account) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    // Whatever else is in there was not put there by a cluster: leave it, and its mode, alone.
    let foreign = fs::read_dir(folder).map_err(Error::file("read", folder))?.next().is_some()
        && !folder.join("lock").exists();
    if foreign {
        let source = io::Error::other("it is neither empty nor a cluster's folder");
        return Err(Error::File { action: "use", path: folder.to_owned(), source });
    }
    account.own(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(Error::file("change the mode of", folder))?;
    account.check_entry(folder)
}

/// The folder's lock, held for as long as the file is open.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(Error::file("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse { path: folder.to_owned() }),
        Err(error) => Err(Error::File { action: "lock", path, source: error.into() }),
    }
}

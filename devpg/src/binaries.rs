//! Finds PostgreSQL's server binaries on this machine.
//! It never takes a folder without both `initdb` and `postgres`, or a version outside 15 to 18.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, account::Account};

/// Names the folder of the binaries; set, it is the only place looked at.
const EXPLICIT: &str = "MAKEGOOD_PG_BIN";

/// Where distributions put versioned binaries; `*` stands for one path component's free part.
const INSTALLED: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A server version, such as 17.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The major version, which names the format of the data folder.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
}

impl Version {
    /// Reads the output of `postgres --version`.
    fn parse(output: &str) -> Option<Self> {
        let number = output.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
        let (major, minor) = number.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A folder that holds `initdb` and `postgres` of one supported version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    version: Version,
}

impl Binaries {
    /// The first usable of: `MAKEGOOD_PG_BIN` (alone, if set), `pg_config --bindir`, `PATH`, the
    /// newest in the usual distribution folders, and, with the `download` feature, a pinned build.
    ///
    /// # Errors
    /// [`Error::NoBinaries`] says what was searched and what to do.
    pub fn find() -> Result<Self, Error> {
        Self::find_for(Account::choose(None)?)
    }

    pub(crate) fn find_for(account: Account) -> Result<Self, Error> {
        let mut searched = Vec::new();
        for (origin, folder) in candidates(&mut searched) {
            match Self::open(&folder, account) {
                Ok(found) => {
                    tracing::info!(origin, folder = %found.folder.display(), version = %found.version,
                        "found PostgreSQL binaries");
                    return Ok(found);
                }
                Err(reason) => {
                    tracing::info!(origin, folder = %folder.display(), reason, "passed over");
                    searched.push(format!("{origin}: {}: {reason}", folder.display()));
                }
            }
        }
        #[cfg(feature = "download")]
        if env::var_os(EXPLICIT).is_none() {
            match crate::download::fetch(account) {
                Ok(folder) => {
                    return Self::open(&folder, account).map_err(|reason| Error::Download {
                        version: crate::download::VERSION,
                        message: reason,
                    });
                }
                Err(error) => searched.push(format!("download: {error}")),
            }
        }
        let searched: Vec<_> = searched.iter().map(|line| format!("  {line}")).collect();
        Err(Error::NoBinaries { searched: searched.join("\n") })
    }

    /// The folder of the binaries, with links resolved.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether they come with a library that the server can be told to load. Distributions put it
    /// beside the programs' folder, or in a folder of their own below that.
    pub(crate) fn has_library(&self, name: &str) -> bool {
        let Some(home) = self.folder.parent() else { return false };
        let file = format!("{name}.{}", env::consts::DLL_EXTENSION);
        ["lib", "lib/postgresql", "lib64"].iter().any(|lib| home.join(lib).join(&file).is_file())
    }

    fn open(folder: &Path, account: Account) -> Result<Self, String> {
        let postgres = fs::canonicalize(folder.join("postgres")).map_err(|_| "no postgres here")?;
        let folder = postgres.parent().ok_or("postgres has no folder")?.to_owned();
        if !folder.join("initdb").is_file() {
            return Err("no initdb beside postgres".to_owned());
        }
        account.check_entry(&folder).map_err(|error| error.to_string())?;
        let output = Command::new(&postgres)
            .arg("--version")
            .output()
            .map_err(|error| format!("postgres does not run: {error}"))?;
        let output = String::from_utf8_lossy(&output.stdout);
        let version = Version::parse(&output)
            .ok_or_else(|| format!("not a released version: {}", output.trim()))?;
        if !(15..=18).contains(&version.major) {
            return Err(format!("version {version} is outside 15 to 18"));
        }
        Ok(Self { folder, version })
    }
}

fn candidates(searched: &mut Vec<String>) -> Vec<(&'static str, PathBuf)> {
    if let Some(folder) = env::var_os(EXPLICIT) {
        return vec![(EXPLICIT, folder.into())];
    }
    searched.push(format!("{EXPLICIT}: not set"));
    let mut found = Vec::new();
    match Command::new("pg_config").arg("--bindir").output() {
        Ok(output) if output.status.success() => {
            let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            found.push(("pg_config --bindir", folder.into()));
        }
        Ok(output) => searched.push(format!("pg_config --bindir: {}", output.status)),
        Err(_) => searched.push("pg_config --bindir: no pg_config on PATH".to_owned()),
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<_> =
        env::split_paths(&path).filter(|folder| folder.join("postgres").exists()).collect();
    if on_path.is_empty() {
        searched.push("PATH: no postgres in its folders".to_owned());
    }
    found.extend(on_path.into_iter().map(|folder| ("PATH", folder)));
    let installed = installed(searched);
    found.extend(installed.into_iter().map(|folder| ("installed", folder)));
    found
}

/// Versioned installations, the newest first.
fn installed(searched: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix, bin) in INSTALLED {
        let before = found.len();
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let major =
                name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u32>().ok());
            if let Some(major) = major {
                found.push((major, entry.path().join(bin)));
            }
        }
        if found.len() == before {
            searched.push(format!("installed: {parent}/{prefix}*/{bin}: nothing"));
        }
    }
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_or_without_a_vendor_suffix() {
        let plain = Version::parse("postgres (PostgreSQL) 17.6\n");
        assert_eq!(plain, Some(Version { major: 17, minor: 6 }));
        let debian = Version::parse("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n");
        assert_eq!(debian, Some(Version { major: 15, minor: 14 }));
        assert_eq!(Version::parse("postgres (PostgreSQL) 19devel\n"), None);
    }

    #[test]
    fn a_folder_without_both_programs_is_passed_over_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let reason = Binaries::open(folder.path(), Account::Current).unwrap_err();
        assert_eq!(reason, "no postgres here");
        fs::write(folder.path().join("postgres"), "").unwrap();
        let reason = Binaries::open(folder.path(), Account::Current).unwrap_err();
        assert_eq!(reason, "no initdb beside postgres");
    }
}

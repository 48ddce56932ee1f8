//! Whom the server runs as: the current user, or a lesser account when the current user is root.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use crate::Error;

/// The account of the server, its guard and its files.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// Whoever runs this process.
    Current,
    /// The account root hands the server to.
    Lesser { uid: u32, gid: u32 },
}

impl Account {
    /// The current user, unless that is root: then the owner of `data` if there is one, else
    /// `postgres`, else `nobody`.
    pub(crate) fn choose(data: Option<&Path>) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Current);
        }
        if let Some(owner) = data.and_then(|data| fs::metadata(data).ok())
            && owner.uid() != 0
        {
            return Ok(Self::Lesser { uid: owner.uid(), gid: owner.gid() });
        }
        let passwd =
            fs::read_to_string("/etc/passwd").map_err(Error::file("read", "/etc/passwd"))?;
        let account = ["postgres", "nobody"].iter().find_map(|name| lookup(&passwd, name));
        account.ok_or(Error::NoAccount)
    }

    /// A command under this account, in a folder it may enter, without the caller's PostgreSQL
    /// and language settings. The standard library drops the supplementary groups with the uid.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C");
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Self::Lesser { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives `path` to this account.
    pub(crate) fn own(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Current => Ok(()),
            Self::Lesser { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(Error::file("change the owner of", path))
            }
        }
    }

    /// Fails unless this account may enter `folder` and each of its parents.
    pub(crate) fn check_entry(self, folder: &Path) -> Result<(), Error> {
        let Self::Lesser { uid, gid } = self else { return Ok(()) };
        let open = folder.ancestors().all(|part| {
            fs::metadata(part).is_ok_and(|found| {
                let class = if found.uid() == uid {
                    0o100
                } else if found.gid() == gid {
                    0o010
                } else {
                    0o001
                };
                found.mode() & class != 0
            })
        });
        if open { Ok(()) } else { Err(Error::Unreachable { path: folder.to_owned(), uid }) }
    }
}

fn lookup(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(Account::Lesser { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_its_line_alone() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:8::/:/bin/sh\npostgres:x:101:104::/:\n";
        let Some(Account::Lesser { uid, gid }) = lookup(passwd, "postgres") else {
            panic!("the account is there");
        };
        assert_eq!((uid, gid), (101, 104));
        assert!(lookup(passwd, "nobody").is_none());
        assert!(lookup(passwd, "root").is_none(), "the server never gets root");
    }
}

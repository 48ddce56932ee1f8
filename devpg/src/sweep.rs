//! Removes what ephemeral clusters left behind when even their guard was killed.
//! It never touches a folder younger than an hour, or one whose server may still be alive.

use std::{
    fs::{self, Metadata},
    path::Path,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

use crate::home::PREFIX;

const MIN_AGE: Duration = Duration::from_hours(1);

/// Removes dead ephemeral clusters under `base`, as far as the current user may.
pub(crate) fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let folder = entry.path();
        if ours && entry.metadata().is_ok_and(|found| is_old(&found)) && !has_server(&folder) {
            tracing::info!(folder = %folder.display(), "removing a dead cluster");
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::info!(folder = %folder.display(), %error, "left for its owner");
            }
        }
    }
}

fn is_old(found: &Metadata) -> bool {
    let age = found.modified().ok().and_then(|at| at.elapsed().ok());
    found.is_dir() && age.is_some_and(|age| age > MIN_AGE)
}

/// Whether the process named by the data folder's pid file exists; unreadable counts as yes.
fn has_server(folder: &Path) -> bool {
    let file = folder.join("data/postmaster.pid");
    match fs::read_to_string(file) {
        Ok(text) => {
            text.lines().next().and_then(|line| line.trim().parse().ok()).is_none_or(is_alive)
        }
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::SystemTime};

    use super::*;

    fn leftover(base: &Path, name: &str, pid: u32) -> std::path::PathBuf {
        let folder = base.join(name);
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::write(folder.join("data/postmaster.pid"), format!("{pid}\n")).unwrap();
        let old = SystemTime::now() - MIN_AGE - Duration::from_mins(1);
        File::open(&folder).unwrap().set_modified(old).unwrap();
        folder
    }

    #[test]
    fn only_old_folders_of_dead_servers_are_swept() {
        let base = tempfile::tempdir().unwrap();
        // One above the largest process id Linux allows.
        let dead = leftover(base.path(), "makegood-pg-dead", 4_194_305);
        let alive = leftover(base.path(), "makegood-pg-alive", std::process::id());
        let foreign = leftover(base.path(), "other", 4_194_305);
        let young = base.path().join("makegood-pg-young");
        fs::create_dir(&young).unwrap();

        sweep(base.path());

        assert!(!dead.exists(), "a dead server's old folder is removed");
        assert!(alive.exists(), "a living server keeps its folder");
        assert!(foreign.exists(), "other people's folders are left alone");
        assert!(young.exists(), "a folder may be of a cluster that is just starting");
    }
}

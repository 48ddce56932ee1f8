//! The promises of a cluster that one process owns.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod support;

use std::{ffi::OsStr, fs, os::unix::fs::PermissionsExt, path::Path};

use devpg::{Cluster, Error, Options};
use support::{Hold, ask, eventually, is_alive, processes_of, status};

#[test]
fn a_cluster_answers_and_never_runs_as_root() {
    let cluster = Cluster::start(&Options::fast().setting("application_name", "mine")).unwrap();
    let url = cluster.url("postgres");
    let version = ask(&url, "show server_version_num").unwrap();
    assert_eq!(version.parse::<u32>().unwrap() / 10_000, cluster.version().major);
    assert_eq!(ask(&url, "show fsync").unwrap(), "off", "tests do not wait for the disk");
    assert_eq!(ask(&url, "show max_connections").unwrap(), "300");
    assert_eq!(ask(&url, "select current_user").unwrap(), "postgres");
    for name in ["Uid", "Gid", "Groups"] {
        let ids = status(cluster.pid().unwrap(), name);
        assert!(ids.iter().all(|id| id != "0"), "the server has nothing of root's: {name} {ids:?}");
    }
    cluster.stop().unwrap();
}

#[test]
fn a_durable_cluster_syncs_and_a_setting_of_the_caller_wins() {
    let options = Options::durable().setting("work_mem", "5MB").setting("max_connections", "20");
    let cluster = Cluster::start(&options).unwrap();
    let url = cluster.url("postgres");
    for (name, wanted) in [("fsync", "on"), ("synchronous_commit", "on"), ("work_mem", "5MB")] {
        assert_eq!(ask(&url, &format!("show {name}")).unwrap(), wanted, "{name}");
    }
    assert_eq!(ask(&url, "show max_connections").unwrap(), "20");
}

#[test]
fn a_wrong_password_is_refused() {
    let cluster = Cluster::start(&Options::fast()).unwrap();
    let forged = format!("postgres://postgres:wrong@127.0.0.1:{}/postgres", cluster.port());
    assert!(ask(&forged, "select 1").unwrap_err().contains("password authentication failed"));
    let password = cluster.data_dir().with_file_name("password");
    let mode = fs::metadata(password).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may read the password");
}

#[test]
fn nothing_is_left_after_a_stop_or_a_drop() {
    for stop in [Cluster::stop, |cluster: Cluster| {
        drop(cluster);
        Ok(())
    }] {
        let cluster = Cluster::start(&Options::fast()).unwrap();
        let (pid, folder) = (cluster.pid().unwrap(), cluster.data_dir());
        let folder = folder.parent().unwrap();
        assert!(folder.exists());
        stop(cluster).unwrap();
        assert!(!folder.exists(), "the ephemeral folder is removed");
        assert!(!is_alive(pid), "the server has ended");
        assert_eq!(processes_of(folder), Vec::<String>::new(), "the guard has ended");
    }
}

#[test]
fn a_parent_killed_without_warning_leaves_no_process_and_no_folder() {
    let hold = Hold::start(&[OsStr::new("own")]);
    let [pid, data, url] = hold.said.as_slice() else { panic!("three words: {:?}", hold.said) };
    let (pid, folder) = (pid.parse().unwrap(), Path::new(data).parent().unwrap().to_owned());
    assert_eq!(ask(url, "select 1").unwrap(), "1");
    assert!(!processes_of(&folder).is_empty());

    hold.kill();

    eventually("the server ends with its parent", || !is_alive(pid));
    eventually("the guard ends with the server", || processes_of(&folder).is_empty());
    eventually("the folder goes with the server", || !folder.exists());
}

#[test]
fn a_killed_server_comes_back_with_its_data_on_the_same_port() {
    let mut cluster = Cluster::start(&Options::durable()).unwrap();
    let url = cluster.url("postgres");
    ask(&url, "create table kept as select 42 as answer").unwrap();
    for _ in 0..3 {
        let before = cluster.pid().unwrap();
        cluster.kill().unwrap();
        assert_eq!(cluster.pid(), None);
        assert!(!is_alive(before));
        assert!(ask(&url, "select 1").is_err(), "a killed server does not answer");

        cluster.restart().unwrap();
        assert_ne!(cluster.pid(), Some(before));
        assert_eq!(cluster.url("postgres"), url, "the address survives");
        assert_eq!(ask(&url, "select answer from kept").unwrap(), "42", "the data survives");
    }
    cluster.restart().unwrap();
    assert_eq!(ask(&url, "select answer from kept").unwrap(), "42", "a clean restart works too");
    let folder = cluster.data_dir();
    cluster.kill().unwrap();
    cluster.stop().unwrap();
    assert!(!folder.parent().unwrap().exists(), "a stop after a kill still cleans up");
}

#[test]
fn a_persistent_folder_is_kept_locked_and_reused() {
    let base = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options::durable().persistent(base.path().join("deep/er"));
    let first = Cluster::start(&options).unwrap();
    ask(&first.url("postgres"), "create table kept as select 42 as answer").unwrap();

    let second = Cluster::start(&options).unwrap_err();
    assert!(matches!(second, Error::InUse { .. }), "one cluster at a time: {second}");

    first.stop().unwrap();
    let again = Cluster::start(&options).unwrap();
    assert_eq!(ask(&again.url("postgres"), "select answer from kept").unwrap(), "42");
    again.stop().unwrap();

    fs::write(base.path().join("deep/er/data/PG_VERSION"), "9\n").unwrap();
    let other = Cluster::start(&options).unwrap_err();
    assert!(matches!(other, Error::OtherVersion { .. }), "{other}");
    assert!(base.path().join("deep/er/data").exists(), "a refused folder is left as it was");
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let base = tempfile::tempdir_in("/tmp").unwrap();
    fs::write(base.path().join("letter"), "dear").unwrap();
    let error = Cluster::start(&Options::durable().persistent(base.path())).unwrap_err();
    assert!(error.to_string().contains("neither empty nor a cluster's folder"), "{error}");
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn a_server_that_cannot_start_shows_its_own_words() {
    let error = Cluster::start(&Options::fast().setting("no_such_setting", "1")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no_such_setting"), "the log's end is in the error: {text}");
}

#[test]
fn missing_binaries_are_an_error_with_remedies() {
    let output = Hold::command()
        .arg("own")
        .env("MAKEGOOD_PG_BIN", "/nonexistent/bin")
        .output()
        .expect("the example is built by `cargo test -p devpg`");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/nonexistent/bin"), "it names what was searched: {text}");
    for remedy in ["apt-get install", "brew install", "MAKEGOOD_DATABASE_URL="] {
        assert!(text.contains(remedy), "it offers {remedy}: {text}");
    }
}

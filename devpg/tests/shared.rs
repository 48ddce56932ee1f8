//! The promises of the cluster that all test processes share.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod support;

use support::{Hold, ask, assert_ends};

#[test]
fn processes_share_one_cluster_that_ends_with_the_last_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| Hold::shared(folder.path()));
        let second = scope.spawn(|| Hold::shared(folder.path()));
        (first.join().unwrap(), second.join().unwrap())
    });
    let (url, home) = first.address();
    assert_eq!(second.address().0, url, "both processes use the same server");

    first.kill();
    let third = Hold::shared(folder.path());
    assert_eq!(third.address().0, url, "the end of one user leaves the others their server");
    second.finish();
    assert_eq!(ask(&url, "select 1").unwrap(), "1", "one user is enough");
    third.kill();
    assert_ends(&home);
}

#[test]
fn the_next_process_finds_the_cluster_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let first = Hold::shared(folder.path());
    let (url, home) = first.address();
    first.finish();
    let next = Hold::shared(folder.path());
    assert_eq!(next.address().0, url, "a short grace bridges two test programs");
    next.finish();
    assert_ends(&home);
}

#[test]
fn a_cluster_that_has_ended_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let first = Hold::shared(folder.path());
    let (url, home) = first.address();
    first.finish();
    assert_ends(&home);

    let second = Hold::shared(folder.path());
    let (other, home) = second.address();
    assert_ne!(other, url, "the stale address is not trusted");
    second.finish();
    assert_ends(&home);
}

#[test]
fn many_short_users_never_lose_the_server_under_them() {
    let folder = tempfile::tempdir().unwrap();
    let homes = std::thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut homes = Vec::new();
                    for _ in 0..5 {
                        let user = Hold::shared(folder.path());
                        homes.push(user.address().1);
                        user.finish();
                    }
                    homes
                })
            })
            .collect();
        users.into_iter().flat_map(|user| user.join().unwrap()).collect::<Vec<_>>()
    });
    for home in &homes {
        assert_ends(home);
    }
}

#[test]
fn an_address_in_the_environment_is_used_instead() {
    let folder = tempfile::tempdir().unwrap();
    let output = Hold::command()
        .arg("shared")
        .arg(folder.path())
        .env("MAKEGOOD_DATABASE_URL", "postgres://me@example.test/mine")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "postgres://me@example.test/postgres");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no cluster is started");
}

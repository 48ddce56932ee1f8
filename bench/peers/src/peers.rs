//! Who takes part: each engine's program, what it can do, and the settings at which it is best.
//! The README says how those were found.

use protocol::Work;

/// An engine in one form.
#[derive(Debug)]
pub(crate) struct Peer {
    /// As it is asked for, and as its database is called.
    pub(crate) name: &'static str,
    /// Crates and versions, as in the manifest; a test compares them.
    pub(crate) versions: &'static [(&'static str, &'static str)],
    /// Where its parts are.
    pub(crate) form: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// What it can do, with the number of workflows in flight at which it does most of it.
    pub(crate) works: &'static [(Work, usize)],
}

impl Peer {
    /// Workflows in flight in this work; `None` when it cannot do it.
    pub(crate) fn in_flight(&self, work: Work) -> Option<usize> {
        self.works.iter().find(|(known, _)| *known == work).map(|(_, in_flight)| *in_flight)
    }
}

/// The one with which the others are compared.
pub(crate) const OURS: &str = "makegood";

pub(crate) const PEERS: [Peer; 5] = [
    Peer {
        name: OURS,
        versions: &[],
        form: "starter and worker in two processes",
        binary: "peer-makegood",
        arguments: &["two-processes"],
        environment: &[],
        works: &[(Work::Steps4, 1_024), (Work::Checkout, 1_024)],
    },
    Peer {
        name: "makegood_one",
        versions: &[],
        form: "one process",
        binary: "peer-makegood",
        arguments: &["one-process"],
        environment: &[],
        works: &[(Work::Steps4, 1_024), (Work::Checkout, 1_024)],
    },
    Peer {
        name: "dbos",
        versions: &[("dbos", "0.5.0")],
        form: "one process, no queue",
        binary: "peer-dbos",
        arguments: &[],
        environment: &[],
        works: &[(Work::Steps4, 64), (Work::Checkout, 64)],
    },
    Peer {
        name: "duroxide",
        versions: &[("duroxide", "0.1.32"), ("duroxide-pg", "0.1.38")],
        form: "one process, 4 + 4 dispatchers",
        binary: "peer-duroxide",
        arguments: &["4", "10"],
        environment: &[("DUROXIDE_PG_POOL_MAX", "20")],
        works: &[(Work::Steps4, 64), (Work::Checkout, 64)],
    },
    Peer {
        name: "apalis",
        versions: &[
            ("apalis", "1.0.0"),
            ("apalis-postgres", "1.0.0"),
            ("apalis-workflow", "1.0.0"),
        ],
        form: "one process, a job for each step",
        binary: "peer-apalis",
        arguments: &[],
        environment: &[],
        works: &[(Work::Steps4, 64)],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_in_the_tables_are_those_of_the_manifest() {
        let manifest = include_str!("../Cargo.toml");
        for (package, version) in PEERS.iter().flat_map(|peer| peer.versions) {
            let plain = format!("\n{package} = \"={version}\"\n");
            let detailed = format!("\n{package} = {{ version = \"={version}\"");
            let pinned = manifest.contains(&plain) || manifest.contains(&detailed);
            assert!(pinned, "{package} {version} is what is measured");
        }
    }
}

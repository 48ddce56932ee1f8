//! Holds a cluster until standard input ends; the tests kill it to see what is left behind.
//!
//! `hold own` starts an ephemeral cluster and prints its process id, folder and address;
//! `hold shared FOLDER` joins the shared one and prints its address.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tests read what it prints")]

use std::{env, error::Error, io, path::Path, process::ExitCode};

use devpg::{Cluster, Options, shared};

fn main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn hold() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["own"] => {
            let cluster = Cluster::start(&Options::fast())?;
            let folder = cluster.data_dir();
            let pid = cluster.pid().unwrap_or_default();
            println!("{pid} {} {}", folder.display(), cluster.url("postgres"));
            io::stdin().read_line(&mut String::new())?;
            cluster.stop()?;
        }
        ["shared", folder] => {
            let shared = shared::url(Path::new(folder))?;
            println!("{}", shared.url("postgres"));
            io::stdin().read_line(&mut String::new())?;
        }
        _ => return Err("usage: hold own | hold shared FOLDER".into()),
    }
    Ok(())
}

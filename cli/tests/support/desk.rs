//! An API process over a cell, somebody with a token for it, and the binary that asks there.

use super::cell::TestCell;
use super::process::Process;
use super::{Ended, KEY_ID, SECRET, command, ended};

/// The API of a cell.
pub struct Api {
    pub process: Process,
}

impl Api {
    pub fn of(cell: &TestCell) -> Self {
        let mut api = command(&["api", "--api-bind", "127.0.0.1:0", "--exit-with-parent"]);
        api.envs(cell.env()).env("MAKEGOOD_JWT_SECRET", SECRET);
        api.env("MAKEGOOD_WEBHOOK_SECRET", SECRET).env("MAKEGOOD_GATEWAY_KEY_ID", KEY_ID);
        api.env("MAKEGOOD_GATEWAY_KEY_SECRET", SECRET);
        Self { process: Process::start(api) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.process.addr)
    }

    /// Runs the binary against the API; nothing tells it where the database is.
    pub fn run(&self, token: &str, args: &[&str]) -> Ended {
        let mut command = command(args);
        command.env("MAKEGOOD_API_URL", self.url()).env("MAKEGOOD_API_TOKEN", token);
        ended(&mut command)
    }
}

/// Lets somebody of this rank sign in, and makes a token called `desk` for them.
pub fn token(cell: &TestCell, operator: &str, rank: &str) -> String {
    let added = cell.run(&["operators", "add", operator, "--rank", rank, "--actor", "root"]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    made(cell, &["--name", "desk", operator])
}

/// Makes a token.
pub fn made(cell: &TestCell, args: &[&str]) -> String {
    let made = [&["operators", "token", "create", "--actor", "root"], args].concat();
    let made = cell.run(&made);
    assert_eq!(made.code, Some(0), "{}", made.err);
    made.out.trim().to_owned()
}

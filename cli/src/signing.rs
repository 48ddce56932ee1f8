//! Who acts, and whether it is meant: names the person, and asks before what cannot be taken back.
//! It acts on nothing itself.

use std::io::{BufRead, IsTerminal, stdin};

use makegood::{Client, Error};

use crate::exit::{Exit, Problem};
use crate::output;
use crate::settings::DatabaseSettings;

/// The engine's client in this cell.
pub(crate) async fn client(database: &DatabaseSettings) -> Result<Client, Problem> {
    Client::connect(&database.engine()?).await.map_err(|error| match error {
        Error::Database(error) => error.into(),
        error => Problem::new("the cell cannot be used").because(error),
    })
}

/// Who runs the command, by the system's own list of users.
pub(crate) fn user() -> Result<String, Problem> {
    whoami::username().ok().filter(|name| !name.trim().is_empty()).ok_or_else(|| {
        Problem::new("nobody is named as the one who acts")
            .because("this system has no name for the user that runs the command")
            .next("say with --actor who it is")
            .exit(Exit::Usage)
    })
}

/// Whether somebody is there to be asked.
pub(crate) fn can_ask() -> bool {
    stdin().is_terminal()
}

/// Has a person type `word`, or gives up.
pub(crate) fn ask(word: &str) -> Result<(), Problem> {
    output::say(&format!("Type {word} to go on:"));
    let mut typed = String::new();
    let read = stdin().lock().read_line(&mut typed);
    if read.is_ok() && typed.trim() == word {
        return Ok(());
    }
    Err(Problem::new("nothing was done: it was not confirmed"))
}

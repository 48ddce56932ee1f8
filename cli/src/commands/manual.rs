//! `makegood completions` and `makegood man`: the manual, made from the command line itself.

use std::fs;
use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::exit::{Exit, Problem};
use crate::output;

/// Writes what a shell reads to complete a command.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Problem> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "makegood", &mut text);
    write(&text)
}

/// Writes the manual's pages.
pub(crate) fn man(args: &ManArgs) -> Result<Exit, Problem> {
    let Some(folder) = &args.folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut text).map_err(unwritten)?;
        return write(&text);
    };
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Args::command(), folder));
    written.map_err(unwritten)?;
    let first = folder.join("makegood.1");
    output::say(&format!("`man -l {}` shows the first page.", first.display()));
    Ok(Exit::Done)
}

/// To standard output; a reader that went away is no error.
fn write(text: &[u8]) -> Result<Exit, Problem> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(error)),
        Ok(()) | Err(_) => Ok(Exit::Done),
    }
}

fn unwritten(error: io::Error) -> Problem {
    Problem::new("the manual cannot be written").because(error)
}

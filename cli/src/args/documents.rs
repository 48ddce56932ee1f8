//! The documents and the command line say the same: `MAKEGOOD_BLESS=1 cargo test -p makegood-cli
//! documents` writes the table of commands anew.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};

use super::Args;

/// Between these lines the table stands.
const BEGIN: &str = "<!-- the table of commands, made from the command line -->\n";
const END: &str = "<!-- until here -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A row for each command that has no parts, or does something without one.
fn rows(command: &Command, name: &str, table: &mut String) {
    let parts: Vec<_> = command.get_subcommands().filter(|part| !part.is_hide_set()).collect();
    if parts.is_empty() || !command.is_subcommand_required_set() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let about = about.replace('|', "\\|");
        table.extend(["| `", name, "` | ", &about, " |\n"]);
    }
    for part in parts.into_iter().filter(|part| part.get_name() != "help") {
        rows(part, format!("{name} {}", part.get_name()).trim_start(), table);
    }
}

#[test]
fn the_table_of_commands_is_that_of_the_command_line() {
    let mut made = "| command | what it does |\n|---|---|\n".to_owned();
    for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        rows(command, command.get_name(), &mut made);
    }
    let path = root().join("docs/commands.md");
    let kept = fs::read_to_string(&path).unwrap();
    let (head, rest) = kept.split_once(BEGIN).unwrap();
    let (table, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("MAKEGOOD_BLESS").is_some() {
        fs::write(path, format!("{head}{BEGIN}{made}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(table, made, "MAKEGOOD_BLESS=1 writes it anew");
}

/// Every Markdown file of the project and every page of the engine's guide.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    let mut folders = vec![root().join("docs"), root().join("engine/src/guide")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "md" => found.push(path),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn every_command_that_a_document_names_exists() {
    let mut program = Args::command();
    program.build();
    let mut seen = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        // In a span of code, and at the beginning of a line of a block.
        let spans =
            text.split(['`', '\n']).filter_map(|part| part.trim().strip_prefix("makegood "));
        // Not the line of a manifest.
        for said in spans.filter(|said| !said.starts_with('=')) {
            seen += 1;
            let mut command = &program;
            for word in said.split_whitespace().take_while(|word| !word.starts_with(['-', '#'])) {
                if command.get_subcommands().next().is_none() {
                    break;
                }
                let part = command.find_subcommand(word.trim_end_matches([';', ',', '.']));
                let file = path.display();
                command =
                    part.unwrap_or_else(|| panic!("{file}: `makegood {said}`: {word} is none"));
            }
        }
    }
    assert!(seen > 20, "the documents are read: {seen}");
}

//! The arguments of `operators`.

use std::time::Duration;

use clap::{Args, Subcommand};
use domain::Rank;

use super::DatabaseArgs;
use super::operate::OutputArgs;
use super::span::span;

#[derive(Debug, Clone, Args)]
pub(crate) struct OperatorsArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(subcommand)]
    pub(crate) verb: OperatorsVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum OperatorsVerb {
    /// Let somebody sign in to the console.
    Add {
        /// Lower-case letters, digits, `.`, `_`, `@` and `-`, at most 63.
        #[arg(value_parser = name)]
        name: String,
        /// viewer looks and sees no personal data, operator mends runs, admin does everything.
        #[arg(long, value_name = "RANK")]
        rank: Rank,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        signed: ActorArgs,
    },
    /// Show who may sign in, and who might once.
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give somebody another password; they are signed out everywhere, and their tokens end.
    SetPassword {
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        signed: ActorArgs,
    },
    /// Say anew what somebody may do; it counts from their next click.
    SetRank {
        #[arg(value_parser = name)]
        name: String,
        /// viewer, operator or admin.
        rank: Rank,
        #[command(flatten)]
        signed: ActorArgs,
    },
    /// Keep somebody out, at once.
    Disable {
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        signed: ActorArgs,
    },
    /// Make, show and end the tokens with which commands act over the API.
    #[command(subcommand)]
    Token(TokenVerb),
    /// Let somebody in again.
    Enable {
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        signed: ActorArgs,
    },
}

/// Somebody's tokens, with which commands act under their name over the API.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token; it is shown this once.
    Create {
        /// Whose it is.
        #[arg(value_parser = name)]
        operator: String,
        /// What to call it, such as the machine that it is for; the audit names it.
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: String,
        /// What it may do at most [default: as much as its owner].
        #[arg(long, value_name = "RANK")]
        rank: Option<Rank>,
        /// After how long it ends, 1m to 366d.
        #[arg(long, value_name = "SPAN", value_parser = lifetime, default_value = "90d")]
        expires_in: Duration,
        #[command(flatten)]
        signed: ActorArgs,
    },
    /// Show the tokens that work, and when each was used last.
    List {
        /// Whose; everybody's, if nobody is named.
        #[arg(value_parser = name)]
        operator: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// End a token, at once.
    Revoke {
        /// Whose it is.
        #[arg(value_parser = name)]
        operator: String,
        /// What it is called.
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: String,
        #[command(flatten)]
        signed: ActorArgs,
    },
}

/// Where a password comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of stdin; otherwise one is made up and shown once.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// Who does it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ActorArgs {
    /// Who does it, for the audit [default: the user's name in the system].
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    let longest = Duration::from_secs(api::operations::LONGEST_SECS.unsigned_abs());
    if (Duration::from_mins(1)..=longest).contains(&span) {
        return Ok(span);
    }
    Err("a token lasts 1m to 366d".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    if store::operators::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("use 1 to 63 lower-case letters, digits, ., _, @ and -, a letter or digit first".to_owned())
}

//! Where a command for operators asks: the API, with a token, or the database itself.

use std::path::PathBuf;

use clap::Args;

use super::DatabaseArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct DeskArgs {
    /// Ask the API at this address, such as `https://shop.example`, instead of the database. The
    /// token comes from the variable `MAKEGOOD_API_TOKEN` or a file. Empty: the database after all.
    #[arg(long, alias = "api", global = true, env = "MAKEGOOD_API_URL", value_name = "URL")]
    #[arg(help_heading = "Over the API")]
    pub(crate) api_url: Option<String>,
    /// The file whose first line is the token for the API, if the variable is not set.
    #[arg(long, global = true, env = "MAKEGOOD_API_TOKEN_FILE", value_name = "FILE")]
    #[arg(help_heading = "Over the API")]
    pub(crate) api_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

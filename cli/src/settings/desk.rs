//! The API or the database: which of them a command for operators asks, and with what.
//! A token is never an argument: every user of a machine may read those of every process.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use reqwest::Url;
use secrecy::SecretString;

use super::{DatabaseSettings, Faults, OPERATOR_LOG, Surroundings};
use crate::args::DeskArgs;
use crate::exit::{Exit, Problem};

/// Where a command for operators asks.
#[derive(Debug)]
pub(crate) enum DeskSettings {
    /// The database itself.
    Database(Box<DatabaseSettings>),
    /// The API at this address, with a token.
    Api {
        /// Scheme, host and perhaps a path before ours.
        url: Url,
        /// Whose word it is.
        token: SecretString,
    },
}

impl DeskSettings {
    pub(crate) fn read(args: &DeskArgs) -> Result<(Self, Surroundings), Problem> {
        let typed = Typed::of(std::env::args_os());
        let url = args.api_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let Some(url) = typed.choose(url)? else {
            let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
            return Ok((Self::Database(Box::new(database)), surroundings));
        };
        let mut faults = Faults::default();
        let surroundings =
            Surroundings::read(&args.database.surroundings, OPERATOR_LOG, &mut faults);
        let url = address(url, &mut faults);
        let (url, surroundings) = faults.settle(url.map(|url| (url, surroundings)))?;
        let token = token(args.api_token_file.as_deref())?;
        Ok((Self::Api { url, token }, surroundings))
    }
}

/// What stands on the command line itself: it wins over what the environment has.
#[derive(Debug, Clone, Copy)]
struct Typed {
    api: bool,
    database: bool,
}

impl Typed {
    fn of(args: impl Iterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut typed = Self { api: false, database: false };
        for arg in args {
            let arg = arg.as_ref().as_encoded_bytes();
            typed.api |=
                arg.starts_with(b"--api-url") || arg == b"--api" || arg.starts_with(b"--api=");
            typed.database |= arg.starts_with(b"--database-url");
        }
        typed
    }

    /// The API's address, if it is the one to ask.
    fn choose(self, url: Option<&str>) -> Result<Option<&str>, Problem> {
        if self.api && self.database && url.is_some() {
            return Err(Problem::new("the API and the database are both named")
                .next("leave out --api-url or --database-url")
                .exit(Exit::Usage));
        }
        Ok(url.filter(|_| self.api || !self.database))
    }
}

fn address(url: &str, faults: &mut Faults) -> Option<Url> {
    let next = "give scheme and host, such as https://shop.example";
    let mut fault = |why| {
        faults.add("MAKEGOOD_API_URL", why, next);
        None
    };
    let Ok(url) = url.parse::<Url>() else { return fault("is no address") };
    let host = url.host_str().unwrap_or_default();
    let is_here = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match url.scheme() {
        "https" => Some(url),
        "http" if is_here => Some(url),
        "http" => fault("is not https: the token could be read on the way"),
        _ => fault("is neither http nor https"),
    }
}

fn token(file: Option<&Path>) -> Result<SecretString, Problem> {
    let env = "MAKEGOOD_API_TOKEN";
    let lacking = |why: String| {
        Problem::new("there is no token for the API")
            .because(why)
            .next("make one: `makegood operators token create`, or the console under Your account")
            .exit(Exit::Usage)
    };
    let variable = std::env::var(env).ok().filter(|token| !token.trim().is_empty());
    let (token, place) = match (variable, file) {
        (Some(token), _) => (token, env.to_owned()),
        (None, Some(file)) => {
            let place = file.display().to_string();
            let text = fs::read_to_string(file)
                .map_err(|error| lacking(format!("{place} cannot be read: {error}")))?;
            (text.lines().next().unwrap_or_default().to_owned(), place)
        }
        (None, None) => {
            return Err(lacking(format!(
                "{env} is not set, and MAKEGOOD_API_TOKEN_FILE (--api-token-file) names no file"
            )));
        }
    };
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(lacking(format!("{place} has none in its first line")));
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_wins_over_what_the_environment_has() {
        let known = Some("https://shop.example");
        let choose = |args: &[&str]| Typed::of(args.iter()).choose(known).map(|url| url.is_some());
        assert_eq!(choose(&["runs", "list"]), Ok(true), "the API, if its address is known");
        assert_eq!(choose(&["--api-url", "x"]), Ok(true));
        assert_eq!(choose(&["--database-url=postgres://u@h/d"]), Ok(false), "typed, so meant");
        assert!(choose(&["--api", "x", "--database-url", "y"]).is_err(), "one of them is meant");
        assert_eq!(Typed::of(["--api-url="].iter()).choose(None), Ok(None), "emptied by hand");
    }

    #[test]
    fn a_token_travels_in_the_clear_on_this_machine_only() {
        let taken = |url| address(url, &mut Faults::default()).is_some();
        for fine in
            ["https://shop.example", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
        {
            assert!(taken(fine), "{fine}");
        }
        for not in ["http://shop.example", "http://10.0.0.1", "ftp://127.0.0.1", "shop"] {
            assert!(!taken(not), "{not}");
        }
    }
}

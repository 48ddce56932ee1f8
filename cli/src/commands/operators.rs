//! `makegood operators`: who may sign in to the console. What it changes is written down.

mod token;

use api::{check_strength, hash_password};
use domain::Rank;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use store::console_actions::{self, Action};
use store::users::PasswordHash;
use store::{console_sessions, console_tokens, operators};
use uuid::Uuid;

use crate::args::{ActorArgs, OperatorsArgs, OperatorsVerb, PasswordArgs};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::signing::user;
use crate::{connect, logging};

pub(crate) async fn run(args: &OperatorsArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    match &args.verb {
        OperatorsVerb::List { output } => list(&mut conn, output.output).await?,
        OperatorsVerb::Add { name, rank, password, signed } => {
            let password = Password::choose(password, name)?;
            add(&mut conn, name, *rank, &password, &actor(signed)?).await?;
            output::say(&format!("{name} may sign in at /console as {rank}."));
            password.show();
        }
        OperatorsVerb::SetPassword { name, password, signed } => {
            let password = Password::choose(password, name)?;
            set_password(&mut conn, name, &password, &actor(signed)?).await?;
            output::say(&format!(
                "{name} has another password, is signed out everywhere, and has no token left."
            ));
            password.show();
        }
        OperatorsVerb::SetRank { name, rank, signed } => {
            let change = Change::Rank(*rank);
            change.make(&mut conn, name, &actor(signed)?).await?;
            output::say(&format!("{name} is {rank} from the next click on."));
        }
        OperatorsVerb::Disable { name, signed } => {
            Change::Disabled(true).make(&mut conn, name, &actor(signed)?).await?;
            output::say(&format!("{name} is out."));
        }
        OperatorsVerb::Token(verb) => token::run(&mut conn, verb).await?,
        OperatorsVerb::Enable { name, signed } => {
            Change::Disabled(false).make(&mut conn, name, &actor(signed)?).await?;
            output::say(&format!("{name} may sign in again."));
        }
    }
    Ok(Exit::Done)
}

async fn list(conn: &mut PgConnection, format: Format) -> Result<(), Problem> {
    let all = operators::list(conn).await.map_err(|error| unable(error, "operators"))?;
    match format {
        Format::Json => {
            let one = |it: &operators::Operator| {
                json!({
                    "name": it.name, "rank": it.rank, "disabled_at": it.disabled_at,
                    "created_at": it.created_at, "password_set_at": it.password_set_at,
                })
            };
            output::json(&all.iter().map(one).collect::<Vec<_>>());
        }
        Format::Table => output::table(
            &["name", "rank", "may sign in", "since"],
            all.iter().map(|it| {
                let may = if it.disabled_at.is_none() { "yes" } else { "no" };
                let since = it.created_at.format("%Y-%m-%d").to_string();
                vec![it.name.clone(), it.rank.to_string(), may.to_owned(), since]
            }),
        ),
    }
    Ok(())
}

/// Lets somebody sign in.
async fn add(
    conn: &mut PgConnection,
    name: &str,
    rank: Rank,
    password: &Password,
    actor: &str,
) -> Result<(), Problem> {
    let hash = password.hash()?;
    let mut tx = conn.begin().await?;
    operators::insert(&mut tx, name, &hash, rank).await.map_err(|error| match error {
        store::Error::Conflict(_) => Problem::new(format!("{name} is known already"))
            .next("change them with set-password, set-rank, enable or disable")
            .exit(Exit::Conflict),
        error => unable(error, name),
    })?;
    let after = json!({ "rank": rank });
    write_down(&mut tx, actor, "add_operator", name, Some((Value::Null, after))).await?;
    Ok(tx.commit().await?)
}

/// Lets somebody sign in with this password, known before or not: for a cell of one's own.
pub(crate) async fn give(
    conn: &mut PgConnection,
    name: &str,
    rank: Rank,
    password: &Password,
) -> anyhow::Result<()> {
    let hash = password.hash().map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let mut tx = conn.begin().await?;
    if operators::set_password(&mut tx, name, &hash).await? {
        operators::set_rank(&mut tx, name, rank).await?;
        operators::set_disabled(&mut tx, name, false).await?;
    } else {
        operators::insert(&mut tx, name, &hash, rank).await?;
    }
    Ok(tx.commit().await?)
}

async fn set_password(
    conn: &mut PgConnection,
    name: &str,
    password: &Password,
    actor: &str,
) -> Result<(), Problem> {
    let hash = password.hash()?;
    let mut tx = conn.begin().await?;
    let found = operators::set_password(&mut tx, name, &hash).await;
    if !found.map_err(|error| unable(error, name))? {
        return Err(nobody(name));
    }
    let ended = console_sessions::end_all(&mut tx, name, None).await;
    ended.map_err(|error| unable(error, name))?;
    let ended = console_tokens::revoke_all(&mut tx, name).await;
    ended.map_err(|error| unable(error, name))?;
    write_down(&mut tx, actor, "set_password", name, None).await?;
    Ok(tx.commit().await?)
}

/// What is changed about somebody.
enum Change {
    Rank(Rank),
    Disabled(bool),
}

impl Change {
    async fn make(&self, conn: &mut PgConnection, name: &str, actor: &str) -> Result<(), Problem> {
        let mut tx = conn.begin().await?;
        let before = operators::by_name(&mut tx, name).await.map_err(|error| match error {
            store::Error::NotFound => nobody(name),
            error => unable(error, name),
        })?;
        let (verb, made, changed) = match *self {
            Self::Rank(rank) => (
                "set_rank",
                operators::set_rank(&mut tx, name, rank).await,
                (json!({ "rank": before.rank }), json!({ "rank": rank })),
            ),
            Self::Disabled(disabled) => (
                if disabled { "disable_operator" } else { "enable_operator" },
                operators::set_disabled(&mut tx, name, disabled).await,
                (
                    json!({ "disabled": before.disabled_at.is_some() }),
                    json!({ "disabled": disabled }),
                ),
            ),
        };
        made.map_err(|error| unable(error, name))?;
        if matches!(self, Self::Disabled(true)) {
            let ended = console_sessions::end_all(&mut tx, name, None).await;
            ended.map_err(|error| unable(error, name))?;
            let ended = console_tokens::revoke_all(&mut tx, name).await;
            ended.map_err(|error| unable(error, name))?;
        }
        write_down(&mut tx, actor, verb, name, Some(changed)).await?;
        Ok(tx.commit().await?)
    }
}

async fn write_down(
    conn: &mut PgConnection,
    actor: &str,
    verb: &str,
    name: &str,
    changed: Option<(Value, Value)>,
) -> Result<(), Problem> {
    let (before, after) = changed.unzip();
    let action = Action {
        action_id: Uuid::now_v7(),
        actor: actor.to_owned(),
        verb: verb.to_owned(),
        target: name.to_owned(),
        done: true,
        reason: "on the command line".to_owned(),
        before,
        after,
        request_id: None,
        address: None,
    };
    console_actions::insert(conn, &action).await.map_err(|error| unable(error, name))
}

/// A password, and whether it has to be shown to somebody.
pub(crate) struct Password {
    text: SecretString,
    made_up: bool,
}

impl Password {
    /// One that nobody guesses: 128 random bits.
    pub(crate) fn made_up() -> Self {
        Self { text: format!("{:032x}", rand::random::<u128>()).into(), made_up: true }
    }

    pub(crate) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    fn choose(args: &PasswordArgs, name: &str) -> Result<Self, Problem> {
        if !args.password_stdin {
            return Ok(Self::made_up());
        }
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map_err(|error| Problem::new("stdin cannot be read").because(error))?;
        let text = SecretString::from(line.trim_end_matches(['\r', '\n']));
        check_strength(&text, name).map_err(|why| {
            Problem::new("this password is not taken")
                .because(why.trim_end_matches('.'))
                .next("choose another, or leave --password-stdin out to have one made up")
                .exit(Exit::Usage)
        })?;
        Ok(Self { text, made_up: false })
    }

    fn hash(&self) -> Result<PasswordHash, Problem> {
        let hash = hash_password(&self.text);
        hash.map(PasswordHash).map_err(|why| Problem::new("no password can be hashed").because(why))
    }

    /// Once, on stdout: it is kept nowhere.
    fn show(&self) {
        if self.made_up {
            output::say("The password, shown this once:");
            output::data(self.text());
        }
    }
}

fn actor(signed: &ActorArgs) -> Result<String, Problem> {
    let given = signed.actor.clone().filter(|actor| !actor.trim().is_empty());
    given.map_or_else(user, Ok)
}

fn nobody(name: &str) -> Problem {
    Problem::new(format!("nobody is called {name}"))
        .next("`makegood operators list` shows who there is")
        .exit(Exit::NotFound)
}

fn unable(error: store::Error, what: &str) -> Problem {
    match error {
        store::Error::Database(error) => error.into(),
        other => Problem::new(format!("{what} cannot be changed or read")).because(other),
    }
}

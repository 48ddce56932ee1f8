//! `makegood operators token`: the tokens with which commands act under somebody's name over the API.

use api::operations::{NewSecret, REMEMBERED_SECS};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use store::console_tokens::{self, NewToken, Token};
use store::operators;

use super::{actor, nobody, unable, write_down};
use crate::args::TokenVerb;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, ago};

pub(super) async fn run(conn: &mut PgConnection, verb: &TokenVerb) -> Result<(), Problem> {
    match verb {
        TokenVerb::Create { operator, name, rank, expires_in, signed } => {
            let secs = i64::try_from(expires_in.as_secs()).unwrap_or(i64::MAX);
            let known = operators::by_name(conn, operator).await.map_err(|error| match error {
                store::Error::NotFound => nobody(operator),
                error => unable(error, operator),
            })?;
            let secret = NewSecret::make();
            let new = NewToken {
                token_hash: secret.hash.clone(),
                operator: operator.clone(),
                name: name.clone(),
                rank: rank.unwrap_or(known.rank),
            };
            create(conn, &new, secs, &actor(signed)?).await?;
            output::say(&format!(
                "{operator} may act over the API as {}. The token {name}, shown this once:",
                new.rank
            ));
            output::data(secret.text.expose_secret());
        }
        TokenVerb::List { operator, output } => {
            let found = console_tokens::list(conn, operator.as_deref()).await;
            list(&found.map_err(|error| unable(error, "tokens"))?, output.output);
        }
        TokenVerb::Revoke { operator, name, signed } => {
            revoke(conn, operator, name, &actor(signed)?).await?;
            output::say(&format!("The token {name} of {operator} works no more."));
        }
    }
    Ok(())
}

async fn create(
    conn: &mut PgConnection,
    new: &NewToken,
    secs: i64,
    actor: &str,
) -> Result<(), Problem> {
    let NewToken { operator, name, rank, .. } = new;
    let mut tx = conn.begin().await?;
    let forgotten = console_tokens::forget_ended(&mut tx, REMEMBERED_SECS).await;
    forgotten.map_err(|error| unable(error, "tokens"))?;
    let made = console_tokens::insert(&mut tx, new, secs).await.map_err(|error| match error {
        store::Error::Conflict(_) => {
            Problem::new(format!("{operator} has a token {name} that works"))
                .next("choose another name, or end that one: `makegood operators token revoke`")
                .exit(Exit::Conflict)
        }
        error => unable(error, operator),
    })?;
    if !made {
        return Err(Problem::new(format!("no token for {operator} as {rank} was made"))
            .because("they may not sign in, or their own rank is lower")
            .next("`makegood operators list` shows who may do what")
            .exit(Exit::Conflict));
    }
    let after = json!({ "token": name, "rank": rank, "secs": secs });
    write_down(&mut tx, actor, "create_token", operator, Some((Value::Null, after))).await?;
    Ok(tx.commit().await?)
}

async fn revoke(
    conn: &mut PgConnection,
    operator: &str,
    name: &str,
    actor: &str,
) -> Result<(), Problem> {
    let mut tx = conn.begin().await?;
    let ended = console_tokens::revoke(&mut tx, operator, name).await;
    if !ended.map_err(|error| unable(error, operator))? {
        return Err(Problem::new(format!("{operator} has no token {name} that works"))
            .next("`makegood operators token list` shows those that do")
            .exit(Exit::NotFound));
    }
    let changed = (json!({ "token": name }), Value::Null);
    write_down(&mut tx, actor, "revoke_token", operator, Some(changed)).await?;
    Ok(tx.commit().await?)
}

fn list(tokens: &[Token], format: Format) {
    if format == Format::Json {
        let one = |it: &Token| {
            json!({
                "operator": it.operator, "name": it.name, "rank": it.rank,
                "created_at": it.created_at, "used_at": it.used_at, "expires_at": it.expires_at,
            })
        };
        return output::json(&tokens.iter().map(one).collect::<Vec<_>>());
    }
    if tokens.is_empty() {
        return output::say("No token works.");
    }
    let rows = tokens.iter().map(|it| {
        vec![
            it.operator.clone(),
            it.name.clone(),
            it.rank.to_string(),
            ago(it.created_at),
            it.used_at.map_or_else(|| "never".to_owned(), ago),
            ago(it.expires_at),
        ]
    });
    output::table(&["operator", "token", "rank", "made", "used", "ends"], rows);
}

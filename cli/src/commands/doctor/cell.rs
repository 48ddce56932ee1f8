//! The cell: its migrations, its workers, and the runs that wait for one or for a person.

use makegood::database_words;
use makegood::inspect::{self, Status};
use migrations::{FileState, Part};
use sqlx::PgConnection;

use super::Finding;
use crate::settings::{DatabaseSettings, Profile};

/// A run that has been due for longer than this is not being served.
const LATE_SECS: i64 = 10;

/// Examines the cell; without its tables only that is told.
pub(super) async fn examine(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
    profile: Profile,
) -> Vec<Finding> {
    let migrated = migrations(conn, database).await;
    let status = inspect::status(conn).await;
    let Ok(status) = status else { return vec![migrated] };
    let rights = rights(conn, profile).await;
    let workers = workers(conn).await;
    vec![migrated, rights, workers, queue(&status), incidents(&status)]
}

/// Whether this login may change what only grows: the triggers refuse it, but an owner can drop them.
async fn rights(conn: &mut PgConnection, profile: Profile) -> Finding {
    let check = "rights";
    let asked: Result<(String, Vec<String>), sqlx::Error> = sqlx::query_as(
        "select current_user::text,
                array(select t.name from unnest($1::text[]) as t (name)
                      where to_regclass(t.name) is not null
                        and (has_table_privilege(t.name, 'UPDATE')
                          or has_table_privilege(t.name, 'DELETE'))
                      order by t.name)",
    )
    .bind(migrations::ONLY_GROW.as_slice())
    .fetch_one(conn)
    .await;
    match asked {
        Err(error) => Finding::fail(check, database_words(&error), "run `makegood migrate`"),
        Ok((_, tables)) if tables.is_empty() => {
            Finding::ok(check, "this login may change no ledger entry")
        }
        Ok((user, tables)) => {
            let role = migrations::APPLICATION_ROLE;
            let found = format!("{user} may change rows of {}", tables.join(", "));
            let next = format!(
                "let the API and the workers log in as a user of their own that owns no table: \
                 `create role shop login in role {role}`"
            );
            Finding::grave(check, profile, found, next)
        }
    }
}

async fn migrations(conn: &mut PgConnection, database: &DatabaseSettings) -> Finding {
    let check = "migrations";
    let files = match migrations::status(conn, &database.cell).await {
        Ok(files) => files,
        Err(error) => return Finding::fail(check, error.to_string(), "correct that first"),
    };
    let count = |state| files.iter().filter(|file| file.state == state).count();
    let (pending, changed) = (count(FileState::Pending), count(FileState::Changed));
    let cell = &database.cell;
    if changed > 0 {
        let found = format!("{changed} applied files of cell {cell} have another text here");
        let next = "`makegood migrate status` names them; run the binary that belongs to this cell";
        return Finding::fail(check, found, next);
    }
    let part = Part::of(&files);
    let missing = files.iter().any(|f| part.has(f.file) && f.state == FileState::Pending);
    if part == Part::Engine && !missing {
        let found = format!("all of the engine's applied to cell {cell}, and none of the shop's");
        return Finding::ok(check, found);
    }
    if pending > 0 {
        let found = format!("{pending} of {} are not applied to cell {cell}", files.len());
        return Finding::fail(check, found, "run `makegood migrate`");
    }
    Finding::ok(check, format!("all {} applied to cell {cell}", files.len()))
}

async fn workers(conn: &mut PgConnection) -> Finding {
    let check = "workers";
    let all = match inspect::workers(conn).await {
        Ok(all) => all,
        Err(error) => {
            let next = "try again; see the server's log";
            return Finding::fail(check, database_words(&error), next);
        }
    };
    let (silent, alive): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|worker| worker.alive).partition(|worker| worker.overdue);
    let named: Vec<_> = silent
        .iter()
        .map(|it| format!("{} ({}/{}, {} runs)", it.name, it.host, it.pid, it.held))
        .collect();
    let found = match named.len() {
        0 => format!("{} alive", alive.len()),
        silent => format!("{} alive, {silent} silent: {}", alive.len(), named.join(", ")),
    };
    if alive.is_empty() {
        let next = "start one with `makegood worker`: orders are placed, and stay where they are";
        return Finding::warn(check, found, next);
    }
    if named.is_empty() {
        return Finding::ok(check, found);
    }
    let next =
        "see whether it was killed or is cut off; the others take its runs over by themselves";
    Finding::warn(check, found, next)
}

fn queue(status: &Status) -> Finding {
    let live: Vec<_> = status.runs.iter().map(|(state, n)| format!("{n} {state}")).collect();
    let live = if live.is_empty() { "no live run".to_owned() } else { live.join(", ") };
    let late = status.oldest_due_secs;
    if late <= LATE_SECS {
        return Finding::ok("queue", live);
    }
    let found = format!("{live}; the oldest due one has been waiting for {late} s");
    let next = if status.live_workers == 0 {
        "start a worker"
    } else {
        "add workers, and see their logs: none of them takes it, or they have no room"
    };
    Finding::warn("queue", found, next)
}

fn incidents(status: &Status) -> Finding {
    if status.incidents.is_empty() {
        return Finding::ok("incidents", "none is open");
    }
    let found: Vec<_> =
        status.incidents.iter().map(|(class, number)| format!("{number} {class}")).collect();
    let next =
        "`makegood incidents list` says which runs, `makegood runs show ID` what may be done";
    Finding::warn("incidents", format!("open: {}", found.join(", ")), next)
}

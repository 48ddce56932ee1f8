//! The few runs that a filter can mean, by an index that names them. Without one there are none:
//! a list then looks through the runs themselves.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::operator::RunState;
use crate::run_filter::{RunFilter, Shown, What};

/// More than so many are not few.
const MOST: i64 = 5_000;

/// The runs whose own id or workflow id is asked for.
pub(super) async fn named(
    conn: &mut PgConnection,
    filter: &RunFilter,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let asked = filter.terms.iter().filter(|term| !term.not);
    let names: Vec<&str> = asked
        .filter_map(|term| if let What::Id(id) = &term.what { Some(id.as_str()) } else { None })
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let ids: Vec<Uuid> = names.iter().filter_map(|name| Uuid::parse_str(name).ok()).collect();
    let found: Vec<Uuid> = sqlx::query_scalar(
        "select run_id from runs where workflow_id = any($1)
         union
         select run_id from archived_runs where workflow_id = any($1)
         union
         select run_id from runs where run_id = any($2)
         union
         select run_id from archived_runs where run_id = any($2)
         limit $3",
    )
    .bind(&names)
    .bind(&ids)
    .bind(MOST)
    .fetch_all(conn)
    .await?;
    // Where one of them is no whole id, they may be beginnings.
    Ok((found.len() >= names.len()).then_some(found))
}

/// All runs that the filter can mean, when an index says that they are few.
pub(super) async fn few(
    conn: &mut PgConnection,
    filter: &RunFilter,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    if filter.is_of_incidents() {
        let found = with_incident(&mut *conn, filter).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    if filter.asks_for_nothing_but(Shown::Retrying) {
        let found = tried(&mut *conn).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    if filter.every_state_is(&[Shown::Is(RunState::Compensating)]) {
        let found = compensating(&mut *conn).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    with_attribute(conn, filter).await
}

async fn with_incident(
    conn: &mut PgConnection,
    filter: &RunFilter,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let asked = filter.terms.iter().filter(|term| !term.not);
    let groups: Vec<&String> = asked
        .filter_map(|term| match &term.what {
            What::Fingerprint(group) => Some(group),
            _ => None,
        })
        .collect();
    let found = sqlx::query_scalar(
        "select run_id
         from incidents
         where resolved_at is null and ($1::text[] is null or fingerprint = any($1))
         limit $2",
    )
    .persistent(false)
    .bind((!groups.is_empty()).then_some(groups))
    .bind(MOST + 1)
    .fetch_all(conn)
    .await?;
    Ok(if_few(found))
}

async fn tried(conn: &mut PgConnection) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let found = sqlx::query_scalar("select run_id from tasks where tries is not null limit $1")
        .persistent(false)
        .bind(MOST + 1)
        .fetch_all(conn)
        .await?;
    Ok(if_few(found))
}

/// Those that wait to be undone further are a part of their lane, the others have an owner.
async fn compensating(conn: &mut PgConnection) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let found = sqlx::query_scalar(
        "(
           select k.run_id
           from lanes l
           cross join lateral (
             select k.run_id
             from tasks k
             where k.lane = l.lane and k.part = 2 and k.due_at is not null
             limit $1
           ) k
           limit $1
         )
         union
         select k.run_id
         from tasks k
         where k.owner is not null and k.state = 'COMPENSATING'
         limit $1",
    )
    .bind(MOST + 1)
    .fetch_all(conn)
    .await?;
    Ok(if_few(found))
}

async fn with_attribute(
    conn: &mut PgConnection,
    filter: &RunFilter,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let asked = filter.terms.iter().filter(|term| !term.not);
    let pairs = asked.filter_map(|term| match &term.what {
        What::Attribute(name, value) => Some((name, value)),
        _ => None,
    });
    let pairs: Vec<_> = pairs.collect();
    let Some((first, _)) = pairs.first() else { return Ok(None) };
    // Values of one name widen each other; a second name only narrows.
    let of_first = pairs.iter().filter(|(name, _)| name == first);
    let values: Vec<_> =
        of_first.map(|(name, value)| serde_json::json!({ name.as_str(): value })).collect();
    let found = sqlx::query_scalar(
        "select x.run_id
         from unnest($1::jsonb[]) v(pair)
         cross join lateral (
           (select r.run_id from runs r where r.attributes @> v.pair limit $2)
           union all
           (select a.run_id from archived_runs a where a.attributes @> v.pair limit $2)
         ) x
         limit $2",
    )
    .bind(values)
    .bind(MOST + 1)
    .fetch_all(conn)
    .await?;
    Ok(if_few(found))
}

fn if_few(found: Vec<Uuid>) -> Option<Vec<Uuid>> {
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    (count <= MOST).then_some(found)
}

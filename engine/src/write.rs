//! Writes turns inside a transaction. Begins and commits none of its own.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::action::{Park, StoredSignal};
use crate::commit::{Disposition, Turn};
use crate::ctx::Until;
use crate::late;
use crate::store::tasks::Moves;
use crate::store::{incidents, steps, tasks, workers};

/// A run's outcome; a run that just goes on has no entry.
pub(crate) type Outcomes = HashMap<Uuid, Outcome>;

/// What became of a run that parks or ends with this commit.
pub(crate) enum Outcome {
    Left,
    Refused(Vec<StoredSignal>),
    Lost,
}

/// Commits; whatever goes wrong here leaves the outcome unknown, even the server's refusal.
pub(crate) async fn commit(tx: sqlx::Transaction<'_, sqlx::Postgres>) -> Result<(), sqlx::Error> {
    tx.commit().await.map_err(|error| match error.as_database_error() {
        Some(refused) => sqlx::Error::Protocol(format!("refused at commit: {refused}")),
        None => error,
    })
}

/// Writes turns inside a transaction: moves first, in the order of the runs' ids, then records.
/// `None` when the incarnation is dead: roll back.
pub(crate) async fn turns(
    conn: &mut PgConnection,
    incarnation: Uuid,
    turns: &[&Turn],
    now: DateTime<Utc>,
) -> Result<Option<Outcomes>, sqlx::Error> {
    let mut outcomes: Outcomes = HashMap::new();
    let moves = moves(turns);
    if !moves.run_ids.is_empty() {
        let moved = tasks::apply_moves(&mut *conn, incarnation, &moves).await?;
        for run_id in &moves.run_ids {
            outcomes.insert(*run_id, Outcome::Lost);
        }
        for done in moved {
            let outcome = match done.refused {
                Some(_) if done.stale => {
                    let record = tasks::reread(&mut *conn, done.run_id).await?;
                    let (_, signals) =
                        record.read().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
                    Outcome::Refused(signals)
                }
                Some(signals) => Outcome::Refused(signals),
                None => Outcome::Left,
            };
            outcomes.insert(done.run_id, outcome);
        }
        write_ends(&mut *conn, turns, &outcomes).await?;
    }
    let columns =
        columns(turns, |turn| !matches!(outcomes.get(&turn.hold.run_id), Some(Outcome::Lost)));
    let alive = if columns.is_empty() {
        workers::fence(conn, incarnation).await?
    } else {
        steps::insert(conn, incarnation, columns, now).await?
    };
    Ok(alive.then_some(outcomes))
}

/// What belongs to the runs that leave: incidents, and runs for the signals that nobody took.
async fn write_ends(
    conn: &mut PgConnection,
    turns: &[&Turn],
    outcomes: &Outcomes,
) -> Result<(), sqlx::Error> {
    for turn in turns {
        if !matches!(outcomes.get(&turn.hold.run_id), Some(Outcome::Left)) {
            continue;
        }
        match &turn.disposition {
            Disposition::Stick(incident) => {
                incidents::insert(&mut *conn, turn.hold.run_id, incident).await?;
            }
            Disposition::End(end) => {
                for start in &end.late {
                    late::insert(&mut *conn, start).await?;
                }
            }
            Disposition::GoOn | Disposition::Park(_) => {}
        }
    }
    Ok(())
}

/// The records of turns as columns.
pub(crate) fn columns(turns: &[&Turn], wanted: impl Fn(&Turn) -> bool) -> steps::Columns {
    let mut columns = steps::Columns::default();
    for turn in turns.iter().filter(|turn| wanted(turn)) {
        for row in &turn.rows {
            columns.push(turn.hold.run_id, row);
        }
    }
    columns
}

fn moves(turns: &[&Turn]) -> Moves {
    let mut moves = Moves::default();
    for turn in turns {
        let (kind, state) = match &turn.disposition {
            Disposition::GoOn => continue,
            Disposition::Park(_) if turn.unwinding => ("park", "COMPENSATING"),
            Disposition::Park(Park { wait: Some(_), .. }) => ("park", "WAITING"),
            Disposition::Park(_) => ("park", "RUNNING"),
            Disposition::End(end) => ("end", end.state),
            Disposition::Stick(incident) => ("stick", incident.state()),
        };
        moves.run_ids.push(turn.hold.run_id);
        moves.epochs.push(turn.hold.epoch);
        moves.kinds.push(kind);
        moves.states.push(state);
        moves.seen.push(turn.seen);
        moves.step_counts.push(turn.step_count);
        let (mut attempt, mut at, mut in_ms, mut wait, mut incident) = (0, None, None, None, None);
        let (mut output, mut cause) = (None, None);
        match &turn.disposition {
            Disposition::GoOn => {}
            Disposition::Park(park) => {
                attempt = i32::try_from(park.attempt).unwrap_or(i32::MAX);
                wait.clone_from(&park.wait);
                match park.until {
                    Until::At(time) => at = Some(time),
                    Until::After(pause) => {
                        // Rounded up: no timer fires early.
                        let ms = pause.as_micros().div_ceil(1_000);
                        in_ms = Some(i64::try_from(ms).unwrap_or(i64::MAX));
                    }
                }
            }
            Disposition::End(end) => {
                output = end.output.as_ref().map(|p| p.get().to_owned());
                cause = end.cause.as_ref().map(|p| p.get().to_owned());
            }
            Disposition::Stick(new) => incident = Some(new.incident_id),
        }
        moves.attempts.push(attempt);
        moves.due_at.push(at);
        moves.due_in_ms.push(in_ms);
        moves.wait_keys.push(wait);
        moves.incidents.push(incident);
        moves.outputs.push(output);
        moves.causes.push(cause);
    }
    moves
}

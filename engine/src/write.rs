//! Writes turns inside a transaction. Begins and commits none of its own.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::action::StoredSignal;
use crate::commit::{Disposition, Turn};
use crate::lane::Lanes;
use crate::late;
use crate::store::tasks::{Move, Moves, Opened, millis};
use crate::store::{incidents, mail, published, runs, steps, tasks, workers};

/// A run's outcome; a run that just goes on has no entry.
pub(crate) type Outcomes = HashMap<Uuid, Outcome>;

/// What became of a run that parks or ends with this commit.
pub(crate) enum Outcome {
    Left,
    Stayed(Opened),
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
    lanes: &Lanes,
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
            let outcome = match done.outcome {
                Move::Left => Outcome::Left,
                Move::Stayed(opened) => Outcome::Stayed(opened),
                Move::Refused { stale: false, signals } => Outcome::Refused(signals),
                Move::Refused { stale: true, .. } => {
                    let record = tasks::reread(&mut *conn, done.run_id).await?;
                    let (_, signals) =
                        record.read().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
                    Outcome::Refused(signals)
                }
            };
            outcomes.insert(done.run_id, outcome);
        }
        write_ends(&mut *conn, lanes, incarnation, turns, &outcomes).await?;
    }
    let ours = |turn: &&&Turn| !matches!(outcomes.get(&turn.hold.run_id), Some(Outcome::Lost));
    let ours: Vec<&Turn> = turns.iter().filter(ours).copied().collect();
    write_extras(&mut *conn, lanes, incarnation, &ours, now).await?;
    let columns = columns(&ours);
    let alive = if columns.is_empty() {
        workers::fence(conn, incarnation).await?
    } else {
        steps::insert(conn, incarnation, columns, now).await?
    };
    Ok(alive.then_some(outcomes))
}

/// What most turns do not have: children to start, and values to show.
async fn write_extras(
    conn: &mut PgConnection,
    lanes: &Lanes,
    incarnation: Uuid,
    turns: &[&Turn],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut children = runs::Children::default();
    let mut shown = published::Columns::default();
    for turn in turns {
        for start in &turn.records.children {
            let lane = lanes.of(&start.workflow, start.child.version, &start.options).await?;
            children.push(turn.hold.run_id, start, lane);
        }
        let mut newest = HashSet::new();
        for (key, value) in turn.records.published.iter().rev() {
            if newest.insert(key) {
                shown.push(turn.hold.run_id, key, value);
            }
        }
    }
    if !children.is_empty() {
        runs::insert_children(&mut *conn, incarnation, &children, now).await?;
    }
    if !shown.is_empty() {
        published::upsert(conn, incarnation, &shown, now).await?;
    }
    Ok(())
}

/// What belongs to the runs that leave: incidents, and runs for the signals that nobody took.
async fn write_ends(
    conn: &mut PgConnection,
    lanes: &Lanes,
    incarnation: Uuid,
    turns: &[&Turn],
    outcomes: &Outcomes,
) -> Result<(), sqlx::Error> {
    let mut letters = mail::Columns::default();
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
                    late::insert(&mut *conn, lanes, start).await?;
                }
                if let Some(letter) = &end.letter {
                    letters.push(letter);
                }
            }
            Disposition::GoOn | Disposition::Stay(_) | Disposition::Park(_) => {}
        }
    }
    if !letters.is_empty() {
        mail::send(conn, incarnation, &letters).await?;
    }
    Ok(())
}

/// The records of turns as columns.
pub(crate) fn columns(turns: &[&Turn]) -> steps::Columns {
    let mut columns = steps::Columns::default();
    for turn in turns {
        for row in &turn.records.rows {
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
            Disposition::Stay(_) => ("stay", "RUNNING"),
            Disposition::Park(park) => match &park.waits {
                None if turn.unwinding => ("pause", "COMPENSATING"),
                None => ("pause", "RUNNING"),
                Some(waits) if waits.is_empty() => ("park", "RUNNING"),
                Some(_) => ("park", "WAITING"),
            },
            Disposition::End(end) => ("end", end.state),
            Disposition::Stick(incident) => ("stick", incident.state()),
        };
        moves.run_ids.push(turn.hold.run_id);
        moves.epochs.push(turn.hold.epoch);
        moves.kinds.push(kind);
        moves.states.push(state);
        moves.seen.push(turn.seen);
        moves.step_counts.push(turn.step_count);
        moves.tries.push(turn.tries.clone());
        let (mut wake, mut incident, mut output, mut cause) = (None, None, None, None);
        match &turn.disposition {
            Disposition::GoOn => {}
            Disposition::Stay(park) | Disposition::Park(park) => {
                wake = park.wake.map(millis);
                for (key, until) in park.waits.iter().flatten() {
                    moves.waits.push(turn.hold.run_id, key, *until);
                }
            }
            Disposition::End(end) => {
                output = end.output.as_ref().map(|p| p.get().to_owned());
                cause = end.cause.as_ref().map(|p| p.get().to_owned());
            }
            Disposition::Stick(new) => incident = Some(new.incident_id),
        }
        moves.wake_in_ms.push(wake);
        moves.incidents.push(incident);
        moves.outputs.push(output);
        moves.causes.push(cause);
    }
    moves
}

//! Whether a fork may keep what is done: nobody else of its family may undo it too. Writes nothing.

use sqlx::PgConnection;
use uuid::Uuid;

use super::act::Undone;
use super::refusal::Refusal;
use super::verb::StepId;
use crate::journal::{Journal, RowKind, Undoable};
use crate::store::kin::{self, Member};

/// A step that has to be undone if the fork is made good.
pub(super) struct Kept {
    pub(super) step: StepId,
    /// The run that made it.
    pub(super) maker: Uuid,
}

impl Kept {
    fn is(&self, undoable: &Undoable) -> bool {
        let Undoable { name, occurrence, of_run, .. } = undoable;
        *of_run == Some(self.maker)
            && self.step.name == *name
            && self.step.occurrence == *occurrence
    }
}

/// Refuses a fork of `run_id` that would keep what a fork before it has undone, or may yet undo. Of
/// two forks at the same moment, the second waits for the first, and sees it.
pub(super) async fn check(
    conn: &mut PgConnection,
    run_id: Uuid,
    kept: &[Kept],
) -> Result<(), Undone> {
    let root = kin::root(&mut *conn, run_id).await?;
    kin::lock(&mut *conn, root).await?;
    for member in kin::all(conn, root).await? {
        if member.run_id != run_id {
            share(&member, kept)?;
        }
    }
    Ok(())
}

fn share(member: &Member, kept: &[Kept]) -> Result<(), Refusal> {
    let fork = member.run_id;
    let unreadable = |error: serde_json::Error| Refusal::Unreadable { message: error.to_string() };
    let (mut own, _) = member.record.read().map_err(unreadable)?;
    let forked = own.iter().rposition(|row| row.1 == RowKind::Forked);
    let inherited: Vec<_> = own.drain(..forked.map_or(0, |at| at.saturating_add(1))).collect();
    let inherited = Journal::fold(inherited).map_err(unreadable)?.undoables;
    let has_undone = |step: &StepId| {
        own.iter().any(|row| {
            matches!(row.1, RowKind::Undone | RowKind::Waived)
                && row.2 == step.name
                && row.3 == step.occurrence
        })
    };
    for kept in kept {
        if kept.maker != fork && !inherited.iter().any(|undoable| kept.is(undoable)) {
            continue;
        }
        let step = kept.step.clone();
        if has_undone(&step) {
            return Err(Refusal::ForkHasUndone { step, fork });
        }
        if member.lives {
            return Err(Refusal::ForkWouldUndo { step, fork });
        }
    }
    Ok(())
}

//! Ends a session: one's own, or anybody's where an admin does it.

use serde_json::{Value, json};
use store::console_sessions;
use uuid::Uuid;

use super::page::PageError;
use super::record::Record;
use super::run::finish;
use super::who::Operator;
use crate::app::Shared;

/// Whose sessions somebody may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Own,
    Anybodys,
}

/// Ends it, if there is such a one, and writes down whose it was.
pub(super) async fn end(
    app: &Shared,
    who: Operator,
    session_id: Uuid,
    whose: Whose,
) -> Result<(), PageError> {
    let shared = Shared::clone(app);
    finish(app, async move {
        let mut tx = shared.pool.begin().await?;
        let owner = (whose == Whose::Own).then_some(who.name.as_str());
        if let Some(of) = console_sessions::end(&mut tx, session_id, owner).await? {
            let record = Record::of(&who.name, "end_session", &of);
            let record = record.changing(json!({ "session": session_id }), Value::Null);
            record.write(&mut tx).await?;
        }
        Ok(tx.commit().await?)
    })
    .await
}

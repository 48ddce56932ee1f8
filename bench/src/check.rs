//! Whether the work was done: a figure of work that went wrong is worth nothing.

use sqlx::{PgPool, Row};

use crate::Error;
use crate::works::Work;

/// Every run of a work is there, completed, with its answer and each of its steps recorded once.
pub(crate) async fn runs(pool: &PgPool, work: Work, expected: u64) -> Result<(), Error> {
    let row = sqlx::query(
        "select count(*) as runs,
           count(*) filter (where ended_state = 'COMPLETED' and output = to_jsonb($2::bigint))
             as right_ones,
           (
             select count(*)
             from steps s
             join runs o on o.run_id = s.run_id
             where o.workflow = $1 and s.kind = 'done'
           ) as steps
         from runs
         where workflow = $1",
    )
    .bind(work.workflow())
    .bind(i64::try_from(work.answer()).unwrap_or_default())
    .fetch_one(pool)
    .await?;
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let found = (count("runs")?, count("right_ones")?, count("steps")?);
    let wanted = (expected, expected, expected.saturating_mul(work.steps()));
    if found == wanted {
        return Ok(());
    }
    let what = format!("runs, right answers and steps are {found:?} instead of {wanted:?}");
    Err(Error::Wrong(what))
}

//! Every record once more: another worker, in another cell, replays it and must come to the same.

use std::time::Duration;

use makegood::WorkerConfig;
use sqlx::AssertSqlSafe;

use crate::script::registry;
use crate::support::TestCell;

/// Copies the records into a cell of its own, as if their runs had not ended yet, and compares
/// what becomes of them there. A run that was made good by its program decides so again.
pub async fn differences(cell: &TestCell) -> Vec<String> {
    let again = TestCell::new().await;
    let (old, new) = (cell.database.cell(), again.database.cell());
    let revived = format!(
        "select run_id from {old}.runs
         where workflow = 'script' and parent_run_id is null
           and (ended_state = 'COMPLETED' or ended_state = 'COMPENSATED'
             and cause->>'cause' <> 'cancelled')"
    );
    let columns = "run_id, workflow, workflow_id, version, input, ended_state, output, cause,
                   started_at, ended_at";
    again
        .execute(&format!(
            "insert into {new}.runs ({columns}) select {columns} from {old}.runs
             where workflow = 'script'"
        ))
        .await;
    again
        .execute(&format!(
            "update {new}.runs set ended_state = null, output = null, cause = null, ended_at = null
             where run_id in ({revived})"
        ))
        .await;
    again
        .execute(&format!(
            "insert into {new}.steps
             select s.* from {old}.steps s
             where s.run_id in ({revived}) and not exists (
               select from {old}.steps c
               where c.run_id = s.run_id and c.kind = 'compensating' and c.seq <= s.seq)"
        ))
        .await;
    again
        .execute(&format!(
            "insert into {new}.lanes overriding system value select * from {old}.lanes"
        ))
        .await;
    again
        .execute(&format!(
            "insert into {new}.tasks (run_id, lane, step_count)
             select run_id, (select min(lane) from {new}.lanes where workflow = 'script'), -1
             from {new}.runs where ended_state is null"
        ))
        .await;
    let config = WorkerConfig { short_wait: Duration::from_secs(1), ..WorkerConfig::default() };
    let worker = again.worker_with(registry(), config).await;
    again.until("every record is replayed", "select not exists (select from tasks)").await;
    worker.drain().await.unwrap();
    let mut found: Vec<String> = rows(
        &again,
        &format!(
            "select o.run_id || ' ended ' || n.ended_state || coalesce(n.output, n.cause)::text
             from {old}.runs o
             join {new}.runs n on n.run_id = o.run_id
             where (o.ended_state, o.output, o.cause)
               is distinct from (n.ended_state, n.output, n.cause)"
        ),
    )
    .await;
    found.extend(
        rows(
            &again,
            &format!(
                "select coalesce(o.run_id, n.run_id) || ': ' || coalesce(o.kind || ' ' || o.name, 'nothing')
                   || ' became ' || coalesce(n.kind || ' ' || n.name, 'nothing')
                 from (select * from {old}.steps where run_id in ({revived})) o
                 full join {new}.steps n on n.run_id = o.run_id and n.seq = o.seq
                 where (o.kind, o.name, o.occurrence, o.result)
                   is distinct from (n.kind, n.name, n.occurrence, n.result)"
            ),
        )
        .await,
    );
    found
}

async fn rows(cell: &TestCell, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::query_scalar(sql).fetch_all(&cell.pool).await.unwrap()
}

//! What operators do to queues and schedules: seen before it is done, and written down; and what is
//! told of a database that is not as it should be.

use std::collections::BTreeMap;
use std::time::Duration;

use makegood::{
    Client, Database, Error, Limit, Operator, QueueLimits, Rate, Registry, Setting, Worker,
    WorkerConfig, inspect,
};
use serde_json::json;

use crate::support::TestCell;
use crate::trades::{Parcel, Plan, Waiting};

fn ada(cell: &TestCell) -> Operator {
    cell.client.operator("ada", "the mail server is down").unwrap()
}

/// Every row of the tables that a verb may write to.
async fn everything(cell: &TestCell) -> BTreeMap<&'static str, String> {
    let mut rows = BTreeMap::new();
    for table in ["runs", "tasks", "steps", "signals", "incidents", "operator_actions", "queues"] {
        let all = format!("select coalesce(jsonb_agg(to_jsonb(t))::text, '') from {table} t");
        rows.insert(table, cell.scalar(&all).await);
    }
    rows
}

#[tokio::test]
async fn what_is_done_to_a_queue_is_foreseen_done_and_written_down() {
    let cell = TestCell::new().await;
    let limits = QueueLimits::new().concurrency(3).rate(10, Duration::from_mins(1));
    let rate = Limit::Set(Rate { starts: 10, per: Duration::from_mins(1) });
    let queue = || "mail".to_owned();
    let set = Setting::SetQueue { queue: queue(), concurrency: Limit::Set(3), rate };
    let before = everything(&cell).await;
    let would = ada(&cell).foresee_setting(&set).await.unwrap();
    assert_eq!(everything(&cell).await, before, "nothing is changed");
    let done = ada(&cell).set(&set).await.unwrap();
    assert_eq!(done, would, "it does what it said");
    assert_eq!(done.before["concurrency"], json!(null));
    assert_eq!((&done.after["concurrency"], &done.after["per_ms"]), (&json!(3), &json!(60_000)));
    ada(&cell).set(&Setting::PauseQueue("mail".to_owned())).await.unwrap();
    let queues = cell.client.queues().await.unwrap();
    let mail = queues.iter().find(|queue| queue.name == "mail").unwrap();
    assert!(mail.paused && mail.limits == limits, "a pause leaves the limits: {mail:?}");
    ada(&cell).set(&Setting::ResumeQueue("mail".to_owned())).await.unwrap();
    let mut conn = cell.pool.acquire().await.unwrap();
    let actions = inspect::setting_actions(&mut conn, "queue", Some("mail"), 10).await.unwrap();
    let verbs: Vec<_> = actions.iter().map(|action| action.verb.as_str()).collect();
    assert_eq!(verbs, ["resume_queue", "pause_queue", "set_queue"], "the newest first");
    assert!(
        actions
            .iter()
            .all(|a| (a.actor.as_str(), a.reason.as_str()) == ("ada", "the mail server is down"))
    );
    let nobody = ada(&cell).set(&Setting::PauseSchedule("none".to_owned())).await;
    assert!(matches!(nobody, Err(Error::ScheduleNotFound(name)) if name == "none"));
    let bad = Setting::SetQueue { queue: queue(), concurrency: Limit::Set(0), rate: Limit::Keep };
    assert!(matches!(ada(&cell).set(&bad).await, Err(Error::Queue(_))));
    assert_eq!(
        cell.scalar::<i64>("select count(*) from setting_actions").await,
        3,
        "only what was done"
    );
}

#[tokio::test]
async fn of_two_who_looked_at_a_queue_the_second_is_told_that_it_changed() {
    let cell = TestCell::new().await;
    let pause = Setting::PauseQueue("mail".to_owned());
    let seen = ada(&cell).foresee_setting(&pause).await.unwrap().version;
    let both = [(); 2].map(|()| {
        let (ada, pause) = (ada(&cell).expecting(&seen), pause.clone());
        tokio::spawn(async move { ada.set(&pause).await })
    });
    let mut done = 0;
    for one in both {
        match one.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert!(matches!(error, Error::SettingChanged(_)), "{error}"),
        }
    }
    assert_eq!(done, 1, "a queue that was never set before has two takers, too");
    ada(&cell).set(&Setting::ResumeQueue("mail".to_owned())).await.unwrap();
    let late = ada(&cell).expecting(&seen).set(&pause).await;
    assert!(matches!(late, Err(Error::SettingChanged(_))), "it stands as before, but it moved");
    assert_eq!(cell.scalar::<i64>("select count(*) from setting_actions").await, 2);
}

#[tokio::test]
async fn of_two_who_change_different_limits_at_once_neither_takes_the_others_back() {
    let cell = TestCell::new().await;
    let at_once = QueueLimits::new().concurrency(3).rate(10, Duration::from_mins(1));
    for round in 0..20 {
        let queue = format!("mail {round}");
        let rate = Limit::Set(Rate { starts: 10, per: Duration::from_mins(1) });
        let one = Setting::SetQueue {
            queue: queue.clone(),
            concurrency: Limit::Set(3),
            rate: Limit::Keep,
        };
        let other = Setting::SetQueue { queue: queue.clone(), concurrency: Limit::Keep, rate };
        let (ada, bob) = (ada(&cell), ada(&cell));
        let (first, second) = tokio::join!(ada.set(&one), bob.set(&other));
        let (first, second) = (first.unwrap(), second.unwrap());
        let in_order = first.after == second.before || second.after == first.before;
        assert!(in_order, "each says what it found: {first:?} {second:?}");
        let queues = cell.client.queues().await.unwrap();
        let set = queues.iter().find(|known| known.name == queue).unwrap();
        assert_eq!(set.limits, at_once, "round {round}");
    }
    let lifted = Setting::SetQueue {
        queue: "mail 0".to_owned(),
        concurrency: Limit::Lift,
        rate: Limit::Keep,
    };
    let change = ada(&cell).set(&lifted).await.unwrap();
    assert_eq!((&change.after["concurrency"], &change.after["rate"]), (&json!(null), &json!(10)));
}

#[tokio::test]
async fn a_cell_without_tables_is_refused_with_the_command_that_makes_them() {
    let cell = TestCell::new().await;
    let unmade = Database::new(&cell.url, "never_made").unwrap();
    let client = Client::connect(&unmade).await.err().unwrap();
    let worker = Worker::start(&unmade, Registry::new(), WorkerConfig::default()).await;
    for error in [client, worker.err().unwrap()] {
        assert!(matches!(&error, Error::NotMigrated { cell } if cell == "never_made"), "{error}");
        assert!(error.to_string().contains("makegood migrate --cell never_made"), "{error}");
    }
}

#[tokio::test]
async fn an_error_of_the_database_is_told_by_its_message_its_code_and_its_hint() {
    let cell = TestCell::new().await;
    let missing = sqlx::query("select nobody from runs").execute(&cell.pool).await.unwrap_err();
    let told = Error::from(missing).to_string();
    assert_eq!(told, "database: column \"nobody\" does not exist (SQLSTATE 42703)");
    let hinted = sqlx::query("select lower(run_id) from runs").execute(&cell.pool).await;
    let told = makegood::database_words(&hinted.unwrap_err());
    assert!(told.contains("(SQLSTATE 42883); hint: No function matches"), "{told}");
}

#[tokio::test]
async fn a_queue_tells_what_is_due_and_what_will_be() {
    let cell = TestCell::new().await;
    for n in 0..3 {
        cell.start::<Parcel>(&format!("p{n}"), &Waiting { plan: Plan::new(), within_ms: 1 }).await;
    }
    cell.execute("update tasks set due_at = now() - interval '70 seconds'").await;
    cell.execute(
        "update tasks set due_at = now() + interval '1 minute'
         where run_id = (select max(run_id::text)::uuid from tasks)",
    )
    .await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let [queue] = &inspect::backlogs(&mut conn).await.unwrap()[..] else { panic!("one queue") };
    assert_eq!((queue.due, queue.soon), (2, 1), "{queue:?}");
    assert!((70..100).contains(&queue.oldest_secs), "{queue:?}");
}

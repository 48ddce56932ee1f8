//! Schedules: one run for each firing, whoever lives or dies, and nothing for what was paused.

use chrono::{DateTime, SecondsFormat, Utc};
use makegood::{
    CatchUp, Ctx, Error, Kept, Overlap, Registry, Schedule, ScheduleView, Scheduled, Setting,
    WorkerConfig, Workflow, WorkflowResult,
};
use std::time::Duration;
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Note, Plan, line, registry};

/// Notes the time by the schedule.
struct Chime;

impl Workflow for Chime {
    const NAME: &'static str = "chime";
    type Input = Scheduled<Plan>;
    type Output = DateTime<Utc>;

    async fn run(
        ctx: Ctx,
        Scheduled { at, input }: Scheduled<Plan>,
    ) -> WorkflowResult<Self::Output> {
        ctx.step::<Note>(&line(&input, &at.to_rfc3339())).await?;
        Ok(at)
    }
}

/// Lives long.
struct Vigil;

impl Workflow for Vigil {
    const NAME: &'static str = "vigil";
    type Input = Scheduled<Plan>;
    type Output = ();

    async fn run(ctx: Ctx, _: Scheduled<Plan>) -> WorkflowResult<()> {
        ctx.sleep(Duration::from_mins(5)).await
    }
}

fn chimes() -> Registry {
    registry().workflow::<Chime>().workflow::<Vigil>()
}

/// Once a year, so that no test meets a firing by accident.
fn yearly(name: &str) -> Schedule {
    Schedule::new(name, "0 0 1 1 *").unwrap()
}

async fn keep<W: Workflow<Input = Scheduled<Plan>>>(
    cell: &TestCell,
    schedule: &Schedule,
    plan: &Plan,
) -> Kept {
    let mut conn = cell.pool.acquire().await.unwrap();
    cell.client.schedule::<W, Plan>(&mut conn, schedule, plan).await.unwrap()
}

/// As if nobody had been there to fire it since that time.
async fn missed_since(cell: &TestCell, name: &str, time: &str) {
    let sql =
        format!("update schedules set next_at = {time}, due_at = {time} where name = '{name}'");
    assert_eq!(cell.execute(&sql).await, 1);
}

const FIVE_YEARS: &str = "date_trunc('year', now()) - interval '4 years'";

async fn view(cell: &TestCell, name: &str) -> ScheduleView {
    let mut conn = cell.pool.acquire().await.unwrap();
    let all = cell.client.schedules(&mut conn).await.unwrap();
    all.into_iter().find(|schedule| schedule.name == name).unwrap()
}

/// Waits until a schedule of the test's own has fired: by then every other was looked at.
async fn looked(cell: &TestCell) {
    let sentinel = format!("sentinel {}", Uuid::now_v7().simple());
    let often = Schedule::new(&sentinel, "* * * * * *").unwrap();
    keep::<Chime>(cell, &often, &Plan::new()).await;
    let fired = format!("select fired > 1 from schedules where name = '{sentinel}'");
    cell.until("the sentinel fires", &fired).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    cell.client.delete_schedule(&mut conn, &sentinel).await.unwrap();
}

#[tokio::test]
async fn each_of_many_firings_starts_one_run_over_two_workers() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    keep::<Chime>(&cell, &Schedule::new("often", "* * * * * *").unwrap(), &plan).await;
    missed_since(&cell, "often", "date_trunc('second', now()) - interval '15 s'").await;
    let workers = [
        cell.worker_with(chimes(), forgetful()).await,
        cell.worker_with(chimes(), forgetful()).await,
    ];
    cell.until("it fires", "select fired >= 20 from schedules").await;
    let mut conn = cell.pool.acquire().await.unwrap();
    cell.client.pause_schedule(&mut conn, "often").await.unwrap();
    cell.until("all end", "select not exists (select from tasks)").await;
    let fired = view(&cell, "often").await.fired;
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, fired, "a run each");
    assert_eq!(cell.scalar::<i64>("select count(distinct note) from notes").await, fired);
    assert_eq!(cell.scalar::<i64>("select count(*) from notes").await, fired, "and each ran once");
    let gap = "select count(*) from (select note::timestamptz - lag(note::timestamptz)
        over (order by note::timestamptz) as gap from notes) x where gap <> interval '1 s'";
    assert_eq!(cell.scalar::<i64>(gap).await, 0, "no second was left out");
    for worker in workers {
        worker.drain().await.unwrap();
    }
    cell.audited().await;
}

#[tokio::test]
async fn a_run_is_known_by_its_firing_and_told_its_time() {
    let cell = TestCell::new().await;
    keep::<Chime>(&cell, &yearly("new year"), &Plan::new()).await;
    missed_since(&cell, "new year", "date_trunc('year', now())").await;
    let worker = cell.worker_with(chimes(), forgetful()).await;
    cell.until("it fires", "select fired = 1 from schedules").await;
    let run: Uuid = cell.scalar("select run_id from schedules").await;
    let ending = cell.ended::<Chime>(run).await;
    let at = ending.output.unwrap();
    assert_eq!(at, cell.scalar::<DateTime<Utc>>("select date_trunc('year', now())").await);
    let id: String = cell.scalar("select workflow_id from runs").await;
    let time = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    assert_eq!(id, format!("schedule:new year:{time}"));
    // Fired again, as by a database that was set back, it is the same run.
    missed_since(&cell, "new year", "date_trunc('year', now())").await;
    cell.until("it fires again", "select fired = 2 from schedules").await;
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 1);
    assert_eq!(cell.scalar::<Uuid>("select run_id from schedules").await, run);
    worker.drain().await.unwrap();
}

/// Whatever starts the run of this year's firing of `new year` hangs, until this is rolled back:
/// somebody else is about to start one of that id.
async fn rival(cell: &TestCell) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut rival = cell.pool.begin().await.unwrap();
    sqlx::query(
        "insert into runs (run_id, workflow, workflow_id, input)
         select gen_random_uuid(), 'chime', 'schedule:new year:'
           || to_char(date_trunc('year', now() at time zone 'UTC'), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '1'",
    )
    .execute(&mut *rival)
    .await
    .unwrap();
    rival
}

#[tokio::test]
async fn a_schedule_that_one_worker_fires_is_left_alone_by_the_other() {
    let cell = TestCell::new().await;
    keep::<Chime>(&cell, &yearly("new year"), &Plan::new()).await;
    missed_since(&cell, "new year", "date_trunc('year', now())").await;
    let mut rival = rival(&cell).await;
    let first = cell.worker_with(chimes(), WorkerConfig::default()).await;
    cell.until_blocked_by(&mut rival).await;
    let second = cell.worker_with(chimes(), WorkerConfig::default()).await;
    looked(&cell).await;
    rival.rollback().await.unwrap();
    cell.until("it fires", "select fired > 0 from schedules").await;
    looked(&cell).await;
    assert_eq!(view(&cell, "new year").await.fired, 1, "by one of them");
    for worker in [first, second] {
        worker.drain().await.unwrap();
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_be_fired_now_holds_up_no_other() {
    let cell = TestCell::new().await;
    for name in ["new year", "other"] {
        keep::<Chime>(&cell, &yearly(name), &Plan::new()).await;
        missed_since(&cell, name, "date_trunc('year', now())").await;
    }
    let rival = rival(&cell).await;
    let worker = cell.worker_with(chimes(), forgetful()).await;
    let fired = "select fired = 1 from schedules where name = 'other'";
    cell.until("the other fires, though both were due", fired).await;
    assert_eq!(view(&cell, "new year").await.fired, 0, "this one waits for its rival");
    rival.rollback().await.unwrap();
    cell.until("and then it fires", "select bool_and(fired = 1) from schedules").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_that_dies_in_the_midst_of_a_firing_leaves_it_to_another() {
    let cell = TestCell::new().await;
    keep::<Chime>(&cell, &yearly("new year"), &Plan::new()).await;
    missed_since(&cell, "new year", "date_trunc('year', now())").await;
    let mut other = rival(&cell).await;
    let first = cell.worker_with(chimes(), forgetful()).await;
    cell.until_blocked_by(&mut other).await;
    drop(first);
    other.rollback().await.unwrap();
    let second = cell.worker_with(chimes(), forgetful()).await;
    cell.until("it fires", "select fired = 1 from schedules").await;
    let run: Uuid = cell.scalar("select run_id from schedules").await;
    assert_eq!(cell.ended::<Chime>(run).await.state, "COMPLETED");
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 1, "once");
    second.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_that_was_declared_dead_fires_nothing_until_it_is_back() {
    let cell = TestCell::new().await;
    let lease = WorkerConfig { lease: Duration::from_secs(24), ..WorkerConfig::default() };
    let worker = cell.worker_with(chimes(), lease).await;
    let renewed = "select lease_until > started_at + interval '24 s' from workers";
    cell.until("its next renewal is far", renewed).await;
    cell.execute("update workers set alive = false, ended_at = now()").await;
    keep::<Chime>(&cell, &yearly("new year"), &Plan::new()).await;
    missed_since(&cell, "new year", "date_trunc('year', now())").await;
    cell.until("it fires", "select fired = 1 from schedules").await;
    let before = "select count(*) from workers w, runs r where w.started_at <= r.started_at";
    assert_eq!(cell.scalar::<i64>(before).await, 2, "only under its new incarnation");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn what_was_missed_is_skipped_or_made_once_or_all_made() {
    let cell = TestCell::new().await;
    let policies = [
        ("skip", CatchUp::Skip, 0),
        ("one", CatchUp::One, 1),
        ("three", CatchUp::All { at_most: 3 }, 3),
        ("all", CatchUp::All { at_most: 100 }, 5),
    ];
    for (name, catch_up, _) in policies {
        keep::<Chime>(&cell, &yearly(name).catch_up(catch_up), &Plan::new()).await;
        missed_since(&cell, name, FIVE_YEARS).await;
    }
    let worker = cell.worker_with(chimes(), forgetful()).await;
    cell.until("all are moved on", "select bool_and(next_at > now()) from schedules").await;
    for (name, catch_up, fired) in policies {
        let view = view(&cell, name).await;
        assert_eq!(view.fired, fired, "{catch_up:?}");
        let latest = "select date_trunc('year', now())";
        let latest = cell.scalar::<DateTime<Utc>>(latest).await;
        assert_eq!(view.fired_at, (fired > 0).then_some(latest), "the latest is among them");
    }
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_firing_starts_nothing_beside_a_run_that_lives_if_it_shall_not() {
    let cell = TestCell::new().await;
    let all = CatchUp::All { at_most: 100 };
    keep::<Vigil>(&cell, &yearly("alone").catch_up(all).overlap(Overlap::Skip), &Plan::new()).await;
    keep::<Vigil>(&cell, &yearly("beside").catch_up(all), &Plan::new()).await;
    missed_since(&cell, "alone", FIVE_YEARS).await;
    missed_since(&cell, "beside", FIVE_YEARS).await;
    let worker = cell.worker_with(chimes(), forgetful()).await;
    cell.until("all are moved on", "select bool_and(next_at > now()) from schedules").await;
    let counts = |view: ScheduleView| (view.fired, view.overlapped);
    assert_eq!(counts(view(&cell, "alone").await), (1, 4));
    assert_eq!(counts(view(&cell, "beside").await), (5, 0));
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn neither_of_the_clocks_run_and_a_persons_run_lets_a_firing_start_a_third() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(chimes(), forgetful()).await;
    let latest = yearly("alone").catch_up(CatchUp::One).overlap(Overlap::Skip);
    keep::<Vigil>(&cell, &latest, &Plan::new()).await;
    let by_clock = async || {
        missed_since(&cell, "alone", FIVE_YEARS).await;
        cell.until("it is moved on", "select next_at > now() from schedules").await;
        let ScheduleView { fired, overlapped, run_id, .. } = view(&cell, "alone").await;
        (fired, overlapped, run_id.unwrap())
    };
    let by_hand = async || {
        let mut conn = cell.pool.acquire().await.unwrap();
        cell.client.fire_schedule(&mut conn, "alone").await.unwrap().run_id
    };
    let end = async |run: Uuid| {
        cell.client.operator("ada", "enough").unwrap().terminate(run).await.unwrap();
        cell.ended::<Vigil>(run).await;
    };
    let (fired, _, first) = by_clock().await;
    assert_eq!(fired, 1);
    end(by_hand().await).await;
    let (fired, overlapped, _) = by_clock().await;
    assert_eq!((fired, overlapped), (2, 1), "the clock's first run lives, whoever came and went");
    let by_hand = by_hand().await;
    end(first).await;
    let (fired, overlapped, _) = by_clock().await;
    assert_eq!((fired, overlapped), (3, 2), "the person's run lives");
    end(by_hand).await;
    let (fired, overlapped, _) = by_clock().await;
    assert_eq!((fired, overlapped), (4, 2), "none lives");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_paused_schedule_fires_only_on_demand_and_misses_nothing() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    assert_eq!(keep::<Chime>(&cell, &yearly("rest").paused(), &plan).await, Kept::Created);
    missed_since(&cell, "rest", FIVE_YEARS).await;
    let worker = cell.worker_with(chimes(), forgetful()).await;
    looked(&cell).await;
    assert_eq!(view(&cell, "rest").await.fired, 0, "it rests");
    let mut conn = cell.pool.acquire().await.unwrap();
    let started = cell.client.fire_schedule(&mut conn, "rest").await.unwrap();
    cell.client.wake();
    let ending = cell.ended::<Chime>(started.run_id).await;
    assert!(ending.output > cell.scalar("select now() - interval '1 minute'").await, "now");
    assert_eq!(keep::<Chime>(&cell, &yearly("rest"), &plan).await, Kept::Unchanged);
    assert!(view(&cell, "rest").await.paused, "a deployment does not resume it");
    cell.client.resume_schedule(&mut conn, "rest").await.unwrap();
    looked(&cell).await;
    let rest = view(&cell, "rest").await;
    assert_eq!((rest.fired, rest.paused), (1, false), "what fell into the pause was not missed");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_schedule_of_a_workflow_that_a_worker_does_not_know_is_left_to_others() {
    let cell = TestCell::new().await;
    keep::<Vigil>(&cell, &yearly("unknown"), &Plan::new()).await;
    missed_since(&cell, "unknown", FIVE_YEARS).await;
    let ignorant = cell.worker_with(registry().workflow::<Chime>(), forgetful()).await;
    looked(&cell).await;
    assert_eq!(view(&cell, "unknown").await.fired, 0, "nobody knows it");
    let knowing = cell.worker_with(chimes(), forgetful()).await;
    cell.until("it fires", "select fired = 1 from schedules").await;
    for worker in [ignorant, knowing] {
        worker.drain().await.unwrap();
    }
}

#[tokio::test]
async fn keeping_a_schedule_again_changes_only_what_differs() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    assert_eq!(keep::<Chime>(&cell, &yearly("s"), &plan).await, Kept::Created);
    missed_since(&cell, "s", FIVE_YEARS).await;
    let before = view(&cell, "s").await;
    assert_eq!(keep::<Chime>(&cell, &yearly("s"), &plan).await, Kept::Unchanged);
    let skipping = yearly("s").overlap(Overlap::Skip).grace(Duration::from_secs(1));
    assert_eq!(keep::<Chime>(&cell, &skipping, &plan).await, Kept::Changed);
    assert_eq!(keep::<Chime>(&cell, &skipping, &Plan::new()).await, Kept::Changed);
    assert_eq!(view(&cell, "s").await, before, "its next firing is still to be made");
    let berlin = yearly("s").in_zone("Europe/Berlin").unwrap();
    assert_eq!(keep::<Chime>(&cell, &berlin, &plan).await, Kept::Changed);
    let next: DateTime<Utc> = cell
        .scalar("select date_trunc('year', now()) + interval '1 year' - interval '1 hour'")
        .await;
    assert_eq!(view(&cell, "s").await.next_at, Some(next), "it fires at other times, from now on");
}

#[tokio::test]
async fn what_is_rolled_back_was_never_scheduled() {
    let cell = TestCell::new().await;
    let mut tx = cell.pool.begin().await.unwrap();
    let kept = cell.client.schedule::<Chime, Plan>(&mut tx, &yearly("s"), &Plan::new()).await;
    assert_eq!(kept.unwrap(), Kept::Created);
    tx.rollback().await.unwrap();
    let mut conn = cell.pool.acquire().await.unwrap();
    assert_eq!(cell.client.schedules(&mut conn).await.unwrap(), []);
    let unknown = |answer: Result<(), Error>| matches!(answer, Err(Error::ScheduleNotFound(_)));
    assert!(unknown(cell.client.pause_schedule(&mut conn, "s").await));
    assert!(unknown(cell.client.resume_schedule(&mut conn, "s").await));
    assert!(unknown(cell.client.delete_schedule(&mut conn, "s").await));
    assert!(unknown(cell.client.fire_schedule(&mut conn, "s").await.map(|_| ())));
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_says_so_and_holds_up_no_other() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    keep::<Chime>(&cell, &yearly("broken"), &plan).await;
    missed_since(&cell, "broken", FIVE_YEARS).await;
    cell.execute("update schedules set zone = 'Europe/Entenhausen'").await;
    let worker = cell.worker_with(chimes(), forgetful()).await;
    looked(&cell).await;
    let fault = view(&cell, "broken").await.fault.unwrap();
    assert!(fault.contains("Europe/Entenhausen"), "{fault}");
    assert_eq!(keep::<Chime>(&cell, &yearly("broken"), &plan).await, Kept::Changed);
    let mended = view(&cell, "broken").await;
    assert_eq!((mended.fault, mended.fired), (None, 0), "it fires from now on");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_schedule_is_fired_by_hand_once_for_two_who_meant_the_same() {
    let cell = TestCell::new().await;
    keep::<Vigil>(&cell, &yearly("mornings"), &Plan::new()).await;
    let ada = || cell.client.operator("ada", "it was late").unwrap();
    let name = || "mornings".to_owned();
    let (fire, pause) = (Setting::FireSchedule(name()), Setting::PauseSchedule(name()));
    let seen = ada().foresee_setting(&fire).await.unwrap().version;
    let looked = ada().foresee_setting(&pause).await.unwrap().version;
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0, "looking fires nothing");
    // By the clock, meanwhile.
    cell.execute("update schedules set fired = 1, fired_at = now(), run_id = gen_random_uuid()")
        .await;
    let late = ada().expecting(&seen).set(&fire).await;
    assert!(matches!(late, Err(Error::SettingChanged(_))), "{late:?}");
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0);
    ada().expecting(&looked).set(&pause).await.unwrap();
    let again = ada().expecting(&looked).set(&pause).await;
    assert!(matches!(again, Err(Error::SettingChanged(_))), "a pause meant a schedule that fires");
}

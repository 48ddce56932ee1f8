//! `makegood schedules`: shows the schedules, pauses, resumes and triggers them.

use chrono::Utc;
use makegood::inspect::{RunSummary, SettingAction};
use makegood::{Schedule, ScheduleView, Setting};
use serde_json::json;

use super::setting;
use crate::args::{NamedArgs, SchedulesArgs, SchedulesVerb};
use crate::desk::{Desk, Naming};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, ago, time};

/// How many firings to come are shown.
const FIRINGS: usize = 5;

pub(crate) async fn run(args: &SchedulesArgs) -> Result<Exit, Problem> {
    let mut desk = Desk::open(&args.desk).await?;
    match &args.verb {
        SchedulesVerb::List { output } => {
            list(&schedules(&mut desk).await?, output.output);
        }
        SchedulesVerb::Show { name, output } => {
            let all = schedules(&mut desk).await?;
            let found = all.into_iter().find(|schedule| schedule.name == *name);
            let schedule = found.ok_or_else(|| unknown(name))?;
            show(&mut desk, &schedule, output.output).await?;
        }
        SchedulesVerb::Pause(NamedArgs { name, signed, output }) => {
            let wanted = Setting::PauseSchedule(name.clone());
            setting::set(&mut desk, &wanted, signed, output.output).await?;
        }
        SchedulesVerb::Resume(NamedArgs { name, signed, output }) => {
            let wanted = Setting::ResumeSchedule(name.clone());
            setting::set(&mut desk, &wanted, signed, output.output).await?;
        }
        SchedulesVerb::Trigger(NamedArgs { name, signed, output }) => {
            let wanted = Setting::FireSchedule(name.clone());
            setting::set(&mut desk, &wanted, signed, output.output).await?;
        }
    }
    Ok(Exit::Done)
}

async fn schedules(desk: &mut Desk) -> Result<Vec<ScheduleView>, Problem> {
    desk.schedules().await.map_err(|trouble| trouble.wanting("the schedules cannot be read"))
}

fn unknown(name: &str) -> Problem {
    Problem::new(format!("no schedule {name}"))
        .next("`makegood schedules list` shows their names; --cell names another cell")
        .exit(Exit::NotFound)
}

fn state(schedule: &ScheduleView) -> &'static str {
    match (&schedule.fault, schedule.paused) {
        (Some(_), _) => "faulty",
        (None, true) => "paused",
        (None, false) => "firing",
    }
}

fn list(schedules: &[ScheduleView], format: Format) {
    if format == Format::Json {
        return output::json(&schedules);
    }
    if schedules.is_empty() {
        return output::say("No schedules yet.");
    }
    let rows = schedules.iter().map(|schedule| {
        vec![
            schedule.name.clone(),
            state(schedule).to_owned(),
            format!("{} {}", schedule.cron, schedule.zone),
            schedule.next_at.filter(|_| !schedule.paused).map(time).unwrap_or_default(),
            schedule.fired_at.map(time).unwrap_or_default(),
            schedule.fired.to_string(),
            schedule.workflow.clone(),
        ]
    });
    output::table(&["schedule", "state", "when", "next", "latest", "fired", "workflow"], rows);
}

async fn show(desk: &mut Desk, schedule: &ScheduleView, format: Format) -> Result<(), Problem> {
    let rule = Schedule::new(&schedule.name, &schedule.cron);
    let rule = rule.and_then(|rule| rule.in_zone(&schedule.zone));
    let firings = rule.map(|rule| rule.next(FIRINGS, Utc::now())).unwrap_or_default();
    let latest = match schedule.run_id {
        Some(run_id) => desk.named(&run_id.to_string(), Naming::Whole).await?.pop(),
        None => None,
    };
    let actions = desk.schedule_actions(&schedule.name).await?;
    if format == Format::Json {
        output::json(&json!({
            "schedule": schedule, "firings": firings, "latest": latest, "actions": actions,
        }));
        return Ok(());
    }
    output::data(&format!("Schedule     {}", schedule.name));
    output::data(&format!("State        {}", state(schedule)));
    if let Some(fault) = &schedule.fault {
        output::data(&format!("Fault        {fault}"));
    }
    output::data(&format!("When         {} {}", schedule.cron, schedule.zone));
    output::data(&format!("Workflow     {}", schedule.workflow));
    output::data(&format!(
        "Started      {} runs; {} firings found the run before alive",
        schedule.fired, schedule.overlapped
    ));
    if let Some(RunSummary { run_id, state, started_at, .. }) = &latest {
        output::data(&format!("Latest       {run_id} {state}, {}", ago(*started_at)));
    }
    for (index, at) in firings.iter().enumerate() {
        let label = if index == 0 { "By the rule" } else { "" };
        output::data(&format!("{label:<12} {} ({})", time(*at), ago(*at)));
    }
    tell_actions(&actions);
    Ok(())
}

fn tell_actions(actions: &[SettingAction]) {
    if actions.is_empty() {
        return;
    }
    let rows = actions.iter().map(|action| {
        vec![action.verb.clone(), action.actor.clone(), time(action.at), action.reason.clone()]
    });
    output::table(&["action", "by", "at", "reason"], rows);
}

//! `makegood queues`: shows the queues, limits, pauses and resumes them.

use makegood::{Limit, QueueStatus, Rate, Setting};
use serde_json::{Value, json};

use super::setting;
use crate::args::{NamedArgs, QueuesArgs, QueuesVerb};
use crate::desk::Desk;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};

pub(crate) async fn run(args: &QueuesArgs) -> Result<Exit, Problem> {
    let mut desk = Desk::open(&args.desk).await?;
    match &args.verb {
        QueuesVerb::List { output } => show(&queues(&mut desk).await?, output.output),
        QueuesVerb::Set { queue, limits, signed, output } => {
            let rate = limits.rate.map(|(starts, per)| Rate { starts, per });
            let wanted = Setting::SetQueue {
                queue: queue.clone(),
                concurrency: limit(limits.concurrency, limits.no_concurrency),
                rate: limit(rate, limits.no_rate),
            };
            setting::set(&mut desk, &wanted, signed, output.output).await?;
        }
        QueuesVerb::Pause(NamedArgs { name, signed, output }) => {
            let wanted = Setting::PauseQueue(name.clone());
            setting::set(&mut desk, &wanted, signed, output.output).await?;
        }
        QueuesVerb::Resume(NamedArgs { name, signed, output }) => {
            let wanted = Setting::ResumeQueue(name.clone());
            setting::set(&mut desk, &wanted, signed, output.output).await?;
        }
    }
    Ok(Exit::Done)
}

async fn queues(desk: &mut Desk) -> Result<Vec<QueueStatus>, Problem> {
    desk.queues().await.map_err(|trouble| trouble.wanting("the queues cannot be read"))
}

/// What becomes of a limit: set if it was named, lifted if that was.
fn limit<T>(named: Option<T>, lifted: bool) -> Limit<T> {
    match named {
        Some(limit) => Limit::Set(limit),
        None if lifted => Limit::Lift,
        None => Limit::Keep,
    }
}

fn show(queues: &[QueueStatus], format: Format) {
    if format == Format::Json {
        return output::json(&queues.iter().map(value).collect::<Vec<_>>());
    }
    if queues.is_empty() {
        return output::say("No queue was ever used or set.");
    }
    let rows = queues.iter().map(|queue| {
        let concurrency = queue.limits.concurrency.map(|runs| runs.to_string());
        let rate = queue.limits.rate.map(|Rate { starts, per }| format!("{starts}/{per:?}"));
        vec![
            queue.name.clone(),
            if queue.paused { "paused" } else { "open" }.to_owned(),
            queue.due.to_string(),
            queue.later.to_string(),
            queue.held.to_string(),
            concurrency.unwrap_or_else(|| "-".to_owned()),
            rate.unwrap_or_else(|| "-".to_owned()),
        ]
    });
    output::table(&["queue", "state", "due", "later", "held", "concurrency", "rate"], rows);
}

fn value(queue: &QueueStatus) -> Value {
    let QueueStatus { name, limits, paused, due, later, held } = queue;
    json!({
        "name": name, "paused": paused, "due": due, "later": later, "held": held,
        "concurrency": limits.concurrency,
        "rate": limits.rate.map(|rate| rate.starts),
        "per_ms": limits.rate.map(|rate| u64::try_from(rate.per.as_millis()).unwrap_or(u64::MAX)),
    })
}

//! The console over very many runs: each of its pages is asked for again and again, over HTTP, by
//! somebody who is signed in. The API is a process, as in production.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use domain::Rank;
use makegood_bench::{Measured, Site, console};
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use store::operators;
use store::users::PasswordHash;

use crate::demo::{
    customer::plain_http,
    parts::Parts,
    plan::{Binds, Keys, Plan},
    progress::Step,
};

use super::args::ConsoleArgs;

/// Asked for before it counts: caches fill, and statements are prepared.
const WARM_UP: u32 = 5;

/// The most rows that a run records, unless set otherwise.
const LONG: i32 = 10_000;

/// The pages, by the names under which their figures stand.
const PAGES: [(&str, &str); 20] = [
    ("overview", "/console"),
    ("all runs", "/console/runs"),
    ("runs, oldest first", "/console/runs?sort=started"),
    ("runs stuck", "/console/runs?state=STUCK"),
    ("runs that need attention, oldest first", "/console/runs?state=NEEDS_ATTENTION&sort=started"),
    ("runs retrying", "/console/runs?state=RETRYING"),
    ("runs compensating", "/console/runs?state=COMPENSATING"),
    ("runs waiting, not of a tenant", "/console/runs?state=WAITING&not.tenant=003"),
    ("runs of a tenant that were undone", "/console/runs?state=COMPENSATED&tenant=004"),
    ("runs of a customer", "/console/runs?attr.customer=c81"),
    ("run of an order", "/console/runs?attr.order=ORD-8100"),
    ("runs by error text", "/console/runs?state=STUCK&error=503"),
    ("runs by a text that none has", "/console/runs?error=nobody-says-this"),
    ("runs quiet for an hour", "/console/runs?quiet_for=1h&sort=started"),
    ("runs of a day", "/console/runs?since=9d&until=8d"),
    ("search by order number", "/console/search?q=ORD-81000"),
    ("incidents", "/console/incidents"),
    ("workers", "/console/workers"),
    ("queues", "/console/queues"),
    ("schedules", "/console/schedules"),
];

/// Drives it to its end.
pub(super) async fn drive(
    args: &ConsoleArgs,
    parts: &mut Parts,
    site: &mut Site,
) -> anyhow::Result<Measured> {
    let step = Step::of("runs written", args.runs);
    console::fill(site, args.runs, |written| step.reach(written)).await?;
    step.done(&format!("{} runs are in the tables", args.runs));

    let step = Step::begin("starting the API");
    let reader = Reader::sign_in(parts).await?;
    step.done("somebody is signed in to the console");

    let group: String = sqlx::query_scalar(
        "select fingerprint from incidents where resolved_at is null order by opened_at limit 1",
    )
    .fetch_one(&site.pool)
    .await?;
    let run: String =
        sqlx::query_scalar("select run_id::text from incidents order by opened_at desc limit 1")
            .fetch_one(&site.pool)
            .await?;
    let mut pages = PAGES.map(|(name, path)| (name, path.to_owned())).to_vec();
    pages.push(("one group of incidents", format!("/console/incidents/{group}")));
    pages.push(("one run", format!("/console/runs/{run}")));
    let long = console::lengthen(site, LONG).await?;
    pages.push(("one run of 10,000 rows", format!("/console/runs/{long}")));
    pages.push(("a row of it", format!("/console/runs/{long}/steps/5000")));

    let step = Step::of("pages", u64::try_from(pages.len())?);
    let stretch = console::Stretch::begin(site).await?;
    let mut timed = Vec::new();
    for (name, path) in pages {
        for _ in 0..WARM_UP {
            reader.get(&path).await?;
        }
        let mut waits = Vec::new();
        for _ in 0..args.requests {
            waits.push(reader.get(&path).await?);
        }
        timed.push((name, waits));
        step.reach(u64::try_from(timed.len())?);
    }
    let measured = stretch.end(site, args.runs, timed).await?;
    step.done("every page was read");
    Ok(measured)
}

/// Somebody who is signed in.
struct Reader {
    http: reqwest::Client,
    url: String,
    cookie: String,
}

impl Reader {
    async fn sign_in(parts: &mut Parts) -> anyhow::Result<Self> {
        let logs = parts.logs.as_ref().context("there is no folder for logs")?.path().to_owned();
        let store = parts.store.as_ref().context("there is no cell")?;
        let plan = Plan {
            keys: Keys::random(),
            binds: Binds::any(),
            lease_secs: 15,
            gateway_timeout_ms: 4_000,
            seed: 1,
            odds: "",
            program: None,
            profile: "test",
            workers: &[],
        };
        let password = format!("{:032x}", rand::random::<u128>());
        let hash = api::hash_password(&password.as_str().into()).map_err(anyhow::Error::msg)?;
        let mut conn = store.pool.acquire().await?;
        operators::insert(&mut conn, "bench", &PasswordHash(hash), Rank::Viewer).await?;
        drop(conn);
        let url = parts.api.insert(plan.start_api(store, "api", &logs).await?).url();
        let http = plain_http()?;
        let answer = http
            .post(format!("{url}/console/sign-in"))
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("name=bench&password={password}"))
            .send()
            .await?;
        let cookie = answer.headers().get(SET_COOKIE).context("nobody could sign in")?;
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { http, url, cookie })
    }

    /// How long a page took, whole; a redirect, as of a search, is an answer.
    async fn get(&self, path: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let request = self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        let answer = request.send().await?;
        let (status, to) = (answer.status(), answer.headers().get("location").cloned());
        answer.bytes().await?;
        let took = began.elapsed();
        let turned_away = to.is_some_and(|to| to.as_bytes().starts_with(b"/console/sign-in"));
        let fine = (status.is_success() || status.is_redirection()) && !turned_away;
        ensure!(fine, "{path} answered {status}");
        Ok(took)
    }
}

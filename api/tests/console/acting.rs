//! The verbs: what they say before, what they do, and who is told when a run moved on meanwhile.

use domain::Rank;
use makegood::VerbKind;
use serde_json::Value;
use uuid::Uuid;

use crate::browser::{Browser, Seen, sign_in};
use crate::stuck::{CANARY, state, stick, stuck_checkout};
use crate::support::Shop;

fn path(run: Uuid, verb: &str) -> String {
    format!("/console/runs/{run}/act/{verb}")
}

/// Sends the form that a page shows, with a reason and what else is given.
async fn submit(
    who: &mut Browser<'_>,
    run: Uuid,
    verb: &str,
    page: &Seen,
    given: &[(&str, &str)],
) -> Seen {
    let (version, shown_at) = (page.field("version"), page.field("shown_at"));
    let was = page.field("state");
    let mut fields = vec![
        ("version", version.as_str()),
        ("state", was.as_str()),
        ("shown_at", shown_at.as_str()),
        ("reason", "the depot is open again"),
        ("intent", "do"),
    ];
    fields.retain(|(name, _)| given.iter().all(|(other, _)| other != name));
    let step = if page.has("name=\"step\"") { page.field("step") } else { String::new() };
    fields.push(("step", &step));
    fields.extend(given);
    who.post(&path(run, verb), &fields).await
}

async fn act(who: &mut Browser<'_>, run: Uuid, verb: &str, given: &[(&str, &str)]) -> Seen {
    let page = who.get(&path(run, verb)).await;
    assert_eq!(page.status, 200, "{verb}: {}", page.html);
    submit(who, run, verb, &page, given).await
}

#[tokio::test]
async fn a_page_says_what_the_verb_will_do_and_does_nothing() {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    for verb in VerbKind::ALL {
        let page = ada.get(&path(run, verb.as_str())).await;
        assert_eq!(page.status, 200, "{verb:?}: {}", page.html);
        let refused = page.has("data-test=\"refusal\"");
        assert_eq!(refused, page.has("data-test=\"do\" disabled"), "{verb:?} is offered or not");
    }
    assert_eq!(state(&shop, run).await, "STUCK", "looking changes nothing");
    assert_eq!(shop.count("operator_actions").await, 0);
    let retry = ada.get(&path(run, "retry")).await;
    assert!(retry.has("Stuck") && retry.has("Running"), "from what to what: {}", retry.html);
    let resume = ada.get(&path(run, "resume")).await;
    assert!(resume.has("it is stuck already"), "the refusal's own words: {}", resume.html);
    assert!(resume.has("retry it, give the step a result"), "and what helps");
    let edit = ada.get(&path(run, "edit_input")).await;
    assert!(edit.has(CANARY), "the input that it was tried with is there to be changed");
    shop.stop().await;
}

#[tokio::test]
async fn each_verb_is_done_and_written_down_with_the_name_the_reason_and_the_request() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    for (verb, given, becomes) in [
        ("retry", vec![], "RUNNING"),
        ("skip_step", vec![("result", "null"), ("undo", "forget")], "RUNNING"),
        ("edit_input", vec![("input", "{\"units\": 2}")], "RUNNING"),
        ("compensate", vec![], "COMPENSATING"),
        ("cancel", vec![], "COMPENSATING"),
        ("terminate", vec![], "CLOSED"),
        ("close", vec![], "CLOSED"),
        ("fork", vec![("cut", "0"), ("workflow_id", "{}-again")], "STUCK"),
    ] {
        let run = stuck_checkout(&shop).await;
        let done = act(&mut ada, run, verb, &given).await;
        assert_eq!(done.status, 303, "{verb}: {}", done.html);
        assert!(done.location().ends_with(&format!("did={verb}")), "{}", done.location());
        assert_eq!(state(&shop, run).await, becomes, "{verb}");
        let written: Value =
            sqlx::query_scalar("select to_jsonb(a) from operator_actions a where run_id = $1")
                .bind(run)
                .fetch_one(&shop.pool)
                .await
                .unwrap();
        assert_eq!(written["actor"], Value::from(ada.name.as_str()), "{verb}");
        assert_eq!(written["verb"], verb);
        assert_eq!(written["reason"], "the depot is open again");
        assert_eq!(written["before"]["state"], "STUCK");
        let asked = done.headers.get("x-request-id").unwrap().to_str().unwrap();
        assert_eq!(written["request_id"], asked, "the log has the rest under this id");
        let shown = ada.get(done.location()).await;
        assert_eq!(shown.status, 200, "one comes to a page that is there");
    }
    shop.stop().await;
}

#[tokio::test]
async fn a_run_is_paused_and_goes_on_and_comes_back_from_being_made_good() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let run = stuck_checkout(&shop).await;
    for (verb, becomes) in [
        ("retry", "RUNNING"),
        ("pause", "PAUSED"),
        ("resume", "RUNNING"),
        ("compensate", "COMPENSATING"),
        ("resume_forward", "RUNNING"),
    ] {
        let done = act(&mut ada, run, verb, &[]).await;
        assert_eq!(done.status, 303, "{verb}: {}", done.html);
        assert_eq!(state(&shop, run).await, becomes, "{verb}");
    }
    shop.stop().await;
}

#[tokio::test]
async fn of_two_operators_the_second_is_told_who_was_faster_and_does_nothing() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let mut bob = sign_in(&shop, Rank::Operator).await;
    let run = stuck_checkout(&shop).await;
    let adas = ada.get(&path(run, "compensate")).await;
    assert_eq!(act(&mut bob, run, "retry", &[]).await.status, 303);
    let late = submit(&mut ada, run, "compensate", &adas, &[]).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert!(late.has("It moved on meanwhile; nothing was done."), "{}", late.html);
    assert!(late.has(&bob.name) && late.has("the depot is open again"), "who, and why");
    assert!(late.has("value=\"the depot is open again\""), "her own words are still there");
    assert_eq!(state(&shop, run).await, "RUNNING", "hers was not done");
    let refused = format!("console_actions where actor = '{}' and outcome = 'refused'", ada.name);
    assert_eq!(shop.count(&refused).await, 1, "what was refused is written down, too");
    let again = submit(&mut ada, run, "compensate", &late, &[]).await;
    assert_eq!(again.status, 303, "she looked again, and decided anew: {}", again.html);
    shop.stop().await;
}

#[tokio::test]
async fn a_run_that_came_back_to_the_same_trouble_is_not_the_one_that_was_looked_at() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    let run = stuck_checkout(&shop).await;
    let before = ada.get(&path(run, "close")).await;
    act(&mut ada, run, "retry", &[]).await;
    stick(&shop, run).await;
    let late = submit(&mut ada, run, "close", &before, &[]).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert_eq!(state(&shop, run).await, "STUCK");
    shop.stop().await;
}

#[tokio::test]
async fn what_is_given_wrongly_is_told_at_its_field_and_nothing_is_done() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let run = stuck_checkout(&shop).await;
    for (verb, given, told) in [
        ("retry", vec![("reason", "  ")], "Say why"),
        ("edit_input", vec![("input", "{\n\"units\": }")], "line 2, column 10"),
        ("skip_step", vec![("result", "")], "Give a JSON value"),
        ("fork", vec![("cut", "0"), ("workflow_id", "   ")], "Give the new run an id"),
    ] {
        let told_off = act(&mut ada, run, verb, &given).await;
        assert_eq!(told_off.status, 422, "{verb}: {}", told_off.html);
        assert!(told_off.has(told), "{verb}: {}", told_off.html);
    }
    let given = [("input", "{\"units\": 3}"), ("intent", "check"), ("reason", "")];
    let checked = act(&mut ada, run, "edit_input", &given).await;
    assert_eq!(checked.status, 200, "{}", checked.html);
    assert!(checked.has("This would do. Nothing is done yet."), "{}", checked.html);
    assert!(checked.has("&quot;units&quot;: 3") || checked.has("&#34;units&#34;: 3"), "it is kept");
    assert_eq!(shop.count("operator_actions").await, 0);
    assert_eq!(state(&shop, run).await, "STUCK");
    shop.stop().await;
}

#[tokio::test]
async fn what_leaves_effects_behind_for_good_needs_an_admin() {
    let shop = Shop::open().await;
    let mut bob = sign_in(&shop, Rank::Operator).await;
    let run = stuck_checkout(&shop).await;
    for verb in ["terminate", "close"] {
        assert_eq!(bob.get(&path(run, verb)).await.status, 403, "{verb}");
        let forced = bob.post(&path(run, verb), &[("reason", "because"), ("intent", "do")]).await;
        assert_eq!(forced.status, 403, "{verb}: {}", forced.html);
    }
    assert_eq!(state(&shop, run).await, "STUCK");
    shop.stop().await;
}

//! Who gets in, for how long, and what a browser has to send.

use domain::Rank;
use reqwest::Method;
use store::{console_sessions, operators};

use crate::browser::{Browser, PASSWORD, add, sign_in};
use crate::support::{Shop, until};

#[tokio::test]
async fn nobody_sees_a_page_before_signing_in_and_everybody_comes_back_to_it_afterwards() {
    let shop = Shop::open().await;
    add(&shop, "ada", Rank::Viewer).await;
    let mut ada = Browser::new(&shop, "ada");
    let sent = ada.get("/console/runs?state=STUCK").await;
    assert_eq!(sent.status, 303, "{}", sent.html);
    assert_eq!(sent.location(), "/console/sign-in?next=/console/runs%3Fstate%3DSTUCK");
    let page = ada.get("/console/sign-in?next=/console/runs%3Fstate%3DSTUCK").await;
    let next = page.field("next");
    let fields = [("name", "ada"), ("password", PASSWORD), ("next", next.as_str())];
    let entered = ada.send("/console/sign-in", &fields).await;
    assert_eq!((entered.status, entered.location()), (303, "/console/runs?state=STUCK"));
    assert_eq!(ada.get("/console/runs?state=STUCK").await.status, 200, "now it is shown");
    shop.stop().await;
}

#[tokio::test]
async fn the_cookie_is_for_this_host_https_and_no_script_and_its_token_is_not_in_the_database() {
    let shop = Shop::open().await;
    add(&shop, "ada", Rank::Viewer).await;
    let mut ada = Browser::new(&shop, "ada");
    let entered = ada.enter(PASSWORD).await;
    let cookie = entered.headers.get("set-cookie").unwrap().to_str().unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Secure");
    let (name, token) = pair.split_once('=').unwrap();
    assert_eq!((name, token.len()), ("__Host-makegood-console", 64), "256 bits");
    let kept = format!("console_sessions c where c::text like '%{token}%'");
    assert_eq!(shop.count(&kept).await, 0, "who reads the table cannot sign in with it");
    assert_eq!(shop.count("console_sessions").await, 1);
    shop.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_a_name_that_does_not_exist_get_the_same_answer() {
    let shop = Shop::open().await;
    add(&shop, "ada", Rank::Viewer).await;
    let wrong = Browser::new(&shop, "ada").enter("not-her-password").await;
    let nobody = Browser::new(&shop, "bob").enter("not-his-password").await;
    assert_eq!((wrong.status, nobody.status), (401, 401));
    let named = nobody.html.replace("bob", "ada");
    assert_eq!(wrong.html, named, "whether a name exists cannot be learnt");
    assert_eq!(shop.count("console_sessions").await, 0);
    shop.stop().await;
}

#[tokio::test]
async fn after_five_wrong_passwords_even_the_right_one_has_to_wait_and_others_do_not() {
    let shop = Shop::open().await;
    add(&shop, "ada", Rank::Viewer).await;
    add(&shop, "bob", Rank::Viewer).await;
    let mut ada = Browser::new(&shop, "ada");
    for _ in 0..5 {
        assert_eq!(ada.enter("a wrong password").await.status, 401);
    }
    let held = ada.enter(PASSWORD).await;
    assert_eq!(held.status, 429, "{}", held.html);
    let secs: i64 = held.headers.get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&secs), "the first wait is short: {secs} s");
    assert_eq!(Browser::new(&shop, "bob").enter(PASSWORD).await.status, 303, "bob is not ada");
    shop.run("update sign_in_attempts set last_at = now() - interval '1 minute'").await;
    assert_eq!(ada.enter(PASSWORD).await.status, 303, "the wait is over");
    let left = shop.count("sign_in_attempts where subject = 'name ada'").await;
    assert_eq!(left, 0, "who is in begins anew");
    shop.stop().await;
}

#[tokio::test]
async fn one_address_may_not_try_many_names() {
    let shop = Shop::open().await;
    add(&shop, "ada", Rank::Viewer).await;
    for n in 0..20 {
        let tried = Browser::new(&shop, &format!("guess-{n}")).enter("a wrong password").await;
        assert_eq!(tried.status, 401);
    }
    assert_eq!(Browser::new(&shop, "ada").enter(PASSWORD).await.status, 429);
    shop.stop().await;
}

#[tokio::test]
async fn signing_in_gives_a_new_session_and_ends_the_old_one_of_the_browser() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let before = ada.cookie.clone();
    ada.enter(PASSWORD).await;
    assert_ne!(ada.cookie, before, "a session that somebody planted is not taken over");
    let after = ada.cookie.take();
    ada.cookie = before;
    assert_eq!(ada.get("/console").await.status, 303, "the old one has ended");
    ada.cookie = after;
    assert_eq!(ada.get("/console").await.status, 200);
    ada.post("/console/sign-out", &[]).await;
    assert_eq!(shop.count("console_sessions").await, 0, "signed out is signed out");
    shop.stop().await;
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_and_a_new_rank_counts_at_once() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let mut conn = shop.pool.acquire().await.unwrap();
    assert!(ada.get("/console/account").await.has(">viewer<"));
    operators::set_rank(&mut conn, &ada.name, Rank::Admin).await.unwrap();
    assert!(ada.get("/console/account").await.has(">admin<"));
    operators::set_disabled(&mut conn, &ada.name, true).await.unwrap();
    assert_eq!(ada.get("/console").await.status, 303);
    let name = ada.name.clone();
    assert_eq!(Browser::new(&shop, &name).enter(PASSWORD).await.status, 401);
    operators::set_disabled(&mut conn, &ada.name, false).await.unwrap();
    assert_eq!(Browser::new(&shop, &name).enter(PASSWORD).await.status, 303);
    shop.stop().await;
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    shop.run("update console_sessions set seen_at = now() - interval '59 minutes'").await;
    assert_eq!(ada.get("/console").await.status, 200);
    let recent = "console_sessions where seen_at > now() - interval '1 minute'";
    assert_eq!(shop.count(recent).await, 1, "it was used, and that is noted");
    shop.run("update console_sessions set seen_at = now() - interval '61 minutes'").await;
    assert_eq!(ada.get("/console").await.status, 303, "idle for an hour");
    shop.run("update console_sessions set seen_at = now(), expires_at = now()").await;
    assert_eq!(ada.get("/console").await.status, 303, "too old, however much it is used");
    shop.stop().await;
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_or_from_another_site_does_nothing() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    let bob = sign_in(&shop, Rank::Admin).await;
    for fields in [vec![], vec![("csrf", "")], vec![("csrf", bob.csrf.as_str())]] {
        assert_eq!(ada.send("/console/sign-out", &fields).await.status, 403, "{fields:?}");
    }
    let csrf = format!("csrf={}", ada.csrf);
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let request = ada.request(Method::POST, "/console/sign-out").header(header, value);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let seen = ada.read(request.body(csrf.clone())).await;
        assert_eq!(seen.status, 403, "{header}: {value}");
    }
    assert_eq!(shop.count("console_sessions").await, 2, "nobody was signed out");
    let origin = shop.url("");
    let request = ada.request(Method::POST, "/console/sign-out").header("origin", origin);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(ada.read(request.body(csrf)).await.status, 303, "her own page may");
    shop.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_the_old_password() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let mut other = Browser::new(&shop, &ada.name);
    other.enter(PASSWORD).await;
    let new = "another-long-password";
    let wrong = [("current", "wrong"), ("password", new), ("again", new)];
    assert_eq!(ada.post("/console/account/password", &wrong).await.status, 422);
    let short = [("current", PASSWORD), ("password", "short"), ("again", "short")];
    assert_eq!(ada.post("/console/account/password", &short).await.status, 422);
    assert_eq!(other.get("/console").await.status, 200, "nothing was changed");
    let right = [("current", PASSWORD), ("password", new), ("again", new)];
    let changed = ada.post("/console/account/password", &right).await;
    assert_eq!((changed.status, changed.location()), (303, "/console/account?changed=true"));
    assert_eq!(ada.get("/console").await.status, 200, "she goes on");
    assert_eq!(other.get("/console").await.status, 303, "whoever else was she, is out");
    assert_eq!(other.enter(PASSWORD).await.status, 401);
    assert_eq!(other.enter(new).await.status, 303);
    shop.stop().await;
}

#[tokio::test]
async fn of_two_new_passwords_at_once_one_counts_and_the_session_goes_on_under_another_token() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let old = ada.cookie.clone();
    let mut other = Browser::new(&shop, &ada.name);
    other.enter(PASSWORD).await;
    other.get("/console/account").await;
    let path = "/console/account/password";
    let (one, two) = ("the-first-new-password", "the-second-new-password");
    // Both are checked against the password that is there, and then wait for the row.
    let mut tx = shop.pool.begin().await.unwrap();
    let lock = format!("select name from operators where name = '{}' for update", ada.name);
    sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *tx).await.unwrap();
    let release = async {
        let waiting = "pg_stat_activity where query like 'update operators%'
                       and wait_event_type = 'Lock'";
        until("both wait", async || shop.count(waiting).await >= 2).await;
        tx.commit().await.unwrap();
    };
    let first = [("current", PASSWORD), ("password", one), ("again", one)];
    let second = [("current", PASSWORD), ("password", two), ("again", two)];
    let (hers, theirs, ()) =
        tokio::join!(ada.post(path, &first), other.post(path, &second), release);
    let mut told = [hers.status, theirs.status];
    told.sort_unstable();
    assert_eq!(told, [303, 409], "{} {}", hers.html, theirs.html);
    let (winner, loser) =
        if hers.status == 303 { (&mut ada, &mut other) } else { (&mut other, &mut ada) };
    assert_eq!(winner.get("/console").await.status, 200, "whose counted goes on");
    assert_eq!(loser.get("/console").await.status, 303, "the other one is signed out");
    ada.cookie = old;
    assert_eq!(ada.get("/console").await.status, 303, "no token of before is good for anything");
    shop.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_an_address_of_its_own() {
    let shop = Shop::open_with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    add(&shop, "ada", Rank::Viewer).await;
    let enter = async |from: &str, name: &str, password: &str| {
        let browser = Browser::new(&shop, name);
        let request = browser.request(Method::POST, "/console/sign-in");
        let request = request.header("x-forwarded-for", from);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        browser.read(request.body(format!("name={name}&password={password}"))).await.status
    };
    for n in 0..20 {
        // What a client claims of itself, at the left, makes no other of it.
        let from = format!("10.9.8.{n}, 192.0.2.1");
        assert_eq!(enter(&from, &format!("guess-{n}"), "wrong").await, 401);
    }
    assert_eq!(enter("192.0.2.1", "ada", PASSWORD).await, 429, "that one has to wait");
    assert_eq!(enter("192.0.2.2", "ada", PASSWORD).await, 303, "and nobody else");
    assert_eq!(shop.count("console_sessions where address = '192.0.2.2'").await, 1);
    shop.stop().await;
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_nobody_elses() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let mut laptop = Browser::new(&shop, &ada.name);
    laptop.enter(PASSWORD).await;
    let mut bob = sign_in(&shop, Rank::Viewer).await;
    let mut conn = shop.pool.acquire().await.unwrap();
    let bobs = console_sessions::list(&mut conn, Some(&bob.name)).await.unwrap();
    let path = "/console/account/end-session";
    ada.post(path, &[("session_id", &bobs[0].session_id.to_string())]).await;
    assert_eq!(bob.get("/console").await.status, 200, "bob's is bob's");
    let hers = ada.get("/console/account").await.field("session_id");
    ada.post(path, &[("session_id", &hers)]).await;
    assert_eq!(laptop.get("/console").await.status, 303, "the laptop is signed out");
    assert_eq!(ada.get("/console").await.status, 200);
    shop.stop().await;
}

#[tokio::test]
async fn an_admin_ends_anybodys_session_and_nobody_else_sees_them() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    let mut eve = sign_in(&shop, Rank::Operator).await;
    assert_eq!(eve.get("/console/operators").await.status, 403);
    let page = ada.get("/console/operators").await;
    assert!(page.has(&eve.name), "{}", page.html);
    let mut conn = shop.pool.acquire().await.unwrap();
    let hers = console_sessions::list(&mut conn, Some(&eve.name)).await.unwrap();
    let id = hers[0].session_id.to_string();
    let ended = ada.post("/console/operators/end-session", &[("session_id", &id)]).await;
    assert_eq!(ended.status, 303, "{}", ended.html);
    assert_eq!(eve.get("/console").await.status, 303, "she is out");
    assert_eq!(ada.get("/console").await.status, 200);
    shop.stop().await;
}

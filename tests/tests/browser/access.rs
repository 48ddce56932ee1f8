//! For those who cannot see the page, or not well: axe-core looks at every page, light and dark.

use makegood_tests::{Browser, Shop, View, is_installed, until};

use crate::narrow::{pages, with_something_to_see};

async fn judge(browser: &Browser, page: &str, colours: &str, wrong: &mut Vec<String>) {
    for finding in browser.findings().await {
        if finding.is_serious() {
            wrong.push(format!("{page} ({colours}): {} {:#?}", finding.help, finding.places));
        }
    }
}

#[tokio::test]
async fn nobody_is_kept_from_any_page_in_light_or_dark() {
    if !is_installed("accessibility") {
        return;
    }
    let (shop, depot, run, group) = with_something_to_see().await;
    let grace = shop.signed_in("grace", "admin", View::default()).await;
    let stranger = shop.browser(View::default()).await;
    let mut wrong = Vec::new();
    for is_dark in [false, true] {
        let (colours, view) =
            (if is_dark { "dark" } else { "light" }, View { is_dark, ..View::default() });
        grace.look(view).await;
        for page in pages(&run, &group) {
            grace.go(&page).await;
            grace.see("h1").await;
            judge(&grace, &page, colours, &mut wrong).await;
        }
        stranger.look(view).await;
        stranger.go("/console/sign-in").await;
        judge(&stranger, "/console/sign-in", colours, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} serious findings: {}", wrong.len(), wrong.join("\n"));
    grace.close().await;
    stranger.close().await;
    depot.close().await;
}

#[tokio::test]
async fn a_page_that_asked_another_host_would_be_noticed() {
    if !is_installed("requests to other hosts") {
        return;
    }
    let shop = Shop::plan().workers(0).open().await;
    let ada = shop.browser(View::default()).await;
    ada.go("/console/sign-in").await;
    assert!(ada.complaints().await.is_empty(), "our own pages ask nobody");
    ada.script("new Image().src = 'http://elsewhere.example/dot.png'").await;
    until("the browser complains", async || {
        let complaints = ada.complaints().await;
        complaints.iter().any(|it| it.contains("elsewhere.example")).then_some(())
    })
    .await;
    ada.close().await;
}

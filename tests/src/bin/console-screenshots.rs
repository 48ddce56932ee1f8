//! Takes the pictures of the console in `docs/img/`: a shop with a day's trade, its runs in every
//! state, light, dark, and on a telephone.
//!
//! `cargo build -p makegood-tests --bins` builds the binary that it starts; then
//! `cargo run -p makegood-tests --bin console-screenshots`.
#![expect(clippy::unwrap_used, reason = "a program for whoever writes the docs")]

use std::path::{Path, PathBuf};

use makegood_tests::{Browser, Depot, Shop, View};
use serde_json::json;

const WIDE: View = View { width: 1280, height: 860, is_dark: false, has_script: true };
const DARK: View = View { is_dark: true, ..WIDE };
const NARROW: View = View { width: 360, height: 740, ..WIDE };

/// No picture is larger.
const LIMIT: usize = 200 * 1024;

/// A state of things worth looking at.
struct Scene {
    shop: Shop,
    depot: Depot,
    stuck: String,
    undone: String,
}

impl Scene {
    async fn set() -> Self {
        let shop = Shop::plan().workers(2).open().await;
        let depot = Depot::open(&shop.database().await).await;
        shop.product("tea", 1_000).await;
        for _ in 0..9 {
            trade(&shop).await;
        }
        for n in 0..7 {
            let name = format!("branch {n}");
            depot.breaks("print_label", &name, "the label printer in hall 3 does not answer");
            depot.send(&name).await;
        }
        depot.breaks("void_label", "the lighthouse", "the label is at the customer's");
        depot.breaks("print_label", "Ada Lovelace", "no such street in the carrier's list");
        let undone = depot.send("the old mill").await.to_string();
        let stuck = depot.send("Ada Lovelace").await.to_string();
        for name in ["the lighthouse", "the observatory", "the harbour", "the school"] {
            depot.send(name).await;
        }
        depot.sign("the harbour").await;
        depot.sign("the school").await;
        let eight = "select count(*) = 8 from run_states where state = 'STUCK'";
        shop.holds("eight need a person", eight).await;
        Self { shop, depot, stuck, undone }
    }
}

/// Three orders: one paid, one that its customer calls off, one that waits for the money.
async fn trade(shop: &Shop) {
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2)]).await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await.expect(200);
    let second = customer.place(&[("tea", 1)]).await;
    customer.session(&second).await;
    customer.cancel(&second).await;
    let third = customer.place(&[("tea", 3)]).await;
    customer.session(&third).await;
}

/// Where the pictures go.
struct Album(PathBuf);

impl Album {
    /// A page as it is now.
    async fn keep(&self, browser: &Browser, name: &str) {
        let picture = browser.picture().await;
        assert!(picture.len() < LIMIT, "{name} has {} bytes", picture.len());
        std::fs::write(self.0.join(format!("console-{name}.png")), picture).unwrap();
    }

    /// A page in light and dark.
    async fn both(&self, browser: &Browser, name: &str) {
        self.keep(browser, name).await;
        browser.look(DARK).await;
        self.keep(browser, &format!("{name}-dark")).await;
        browser.look(WIDE).await;
    }
}

#[tokio::main]
async fn main() {
    let album = Album(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/img"));
    std::fs::create_dir_all(&album.0).unwrap();
    let Scene { shop, depot, stuck, undone } = Scene::set().await;
    let ada = shop.signed_in("ada", "operator", WIDE).await;

    // One that was called off, so that there is an unwound timeline.
    ada.go(&format!("/console/runs/{undone}/act/cancel")).await;
    ada.fill("#reason", "the mill has moved").await;
    ada.click("[data-test=do]").await;
    ada.read("[data-test=state]", "Compensated").await;
    album.both(&ada, "run-compensated").await;

    ada.go("/console").await;
    ada.see("#figures").await;
    album.both(&ada, "overview").await;
    ada.go("/console/runs").await;
    ada.see("#runs").await;
    album.both(&ada, "runs").await;
    ada.go("/console/incidents").await;
    ada.see("#incidents").await;
    album.both(&ada, "incidents").await;
    ada.go(&format!("/console/runs/{stuck}")).await;
    ada.see("#timeline svg").await;
    album.both(&ada, "run").await;
    ada.go(&format!("/console/runs/{stuck}/act/edit_input")).await;
    ada.see("#input").await;
    album.keep(&ada, "verb").await;

    ada.look(NARROW).await;
    for (page, name) in [("", "overview"), ("/runs?state=STUCK", "runs")] {
        ada.go(&format!("/console{page}")).await;
        ada.see("h1").await;
        album.keep(&ada, &format!("{name}-narrow")).await;
    }
    ada.go(&format!("/console/runs/{stuck}")).await;
    ada.see("h1").await;
    album.keep(&ada, "run-narrow").await;
    ada.look(WIDE).await;

    // The printer is back, and its group is tried again, slowly.
    ada.go("/console/bulk/new?state=STUCK&error=hall").await;
    ada.click("input[value=retry]").await;
    ada.fill("input[name=reason]", "the printer in hall 3 is back").await;
    ada.fill("input[name=per_second]", "1").await;
    ada.click("[data-test=freeze]").await;
    ada.see("#begin-title").await;
    depot.mends();
    if ada.has("input[name=count]").await {
        ada.fill("input[name=count]", "7").await;
    }
    ada.click("[data-test=begin]").await;
    let half = "return Number(document.querySelector('progress')?.value) >= 3";
    makegood_tests::until("half of them are done", async || {
        (ada.script(half).await == json!(true)).then_some(())
    })
    .await;
    album.both(&ada, "bulk").await;
    ada.close().await;
    depot.close().await;
}

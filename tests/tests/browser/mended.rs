//! Each verb, on a run to which it applies, by the browser; the page follows each to its end.

use makegood_tests::{Browser, Depot, Shop, View, is_installed};

const FIRE: &str = "the printer is on fire";

/// Everything that somebody with a browser needs to act on parcels.
struct Desk {
    shop: Shop,
    depot: Depot,
    ada: Browser,
}

impl Desk {
    async fn open(name: &str, rank: &str) -> Self {
        let shop = Shop::plan().workers(0).open().await;
        let depot = Depot::open(&shop.database().await).await;
        let ada = shop.signed_in(name, rank, View::default()).await;
        Self { shop, depot, ada }
    }

    /// A parcel whose label cannot be printed; its page is open.
    async fn stuck(&self, to: &str) {
        self.depot.breaks("print_label", to, FIRE);
        self.show(to, "Stuck").await;
        self.ada.read("[data-test=incident]", "retries used up at print_label").await;
        self.ada.read("[data-test=incident]", FIRE).await;
    }

    /// Sends a parcel and shows its page, until the run stands so.
    async fn show(&self, to: &str, state: &str) {
        let run = self.depot.send(to).await;
        self.ada.go(&format!("/console/runs/{run}")).await;
        self.ada.read("[data-test=state]", state).await;
    }

    /// To the page of a verb, which says what becomes of the run.
    async fn choose(&self, verb: &str, becomes: &str) {
        self.ada.click(&format!("a[data-test=verb-{verb}]")).await;
        self.ada.read("[data-test=change]", becomes).await;
    }

    /// Gives a reason, and does it; one is back at the run's page.
    async fn confirm(&self) {
        self.ada.fill("#reason", "asked for by the depot").await;
        self.ada.click("[data-test=do]").await;
        self.ada.see("#timeline").await;
        self.ada.mark().await;
    }

    /// The page shows this state without being loaded anew.
    async fn follows_to(&self, state: &str) {
        self.ada.read("[data-test=state]", state).await;
        assert!(self.ada.is_same_page().await, "nobody had to load it anew");
    }

    /// It goes on to the door, is signed for there, and ends.
    async fn is_delivered(&self, to: &str) {
        self.follows_to("Waiting").await;
        self.depot.sign(to).await;
        self.follows_to("Completed").await;
    }

    async fn close(self) {
        let verbs = self.shop.count("operator_actions where reason = 'asked for by the depot'");
        assert!(verbs.await > 0, "what was done is on record");
        self.ada.close().await;
        self.depot.close().await;
    }
}

#[tokio::test]
async fn a_stuck_parcel_is_retried_skipped_with_a_result_or_tried_with_another_input() {
    if !is_installed("verbs that go on") {
        return;
    }
    let desk = Desk::open("ada", "operator").await;

    desk.stuck("retry").await;
    desk.depot.mends();
    desk.choose("retry", "Running").await;
    desk.confirm().await;
    desk.is_delivered("retry").await;

    desk.stuck("skip").await;
    desk.choose("skip_step", "Running").await;
    desk.ada.fill("#result", "{ by hand").await;
    desk.ada.click("[data-test=check]").await;
    desk.ada.read("[data-test=faults]", "Nothing was done.").await;
    desk.ada.fill("#result", "\"a label by hand\"").await;
    desk.ada.click("[data-test=check]").await;
    desk.ada.read("[data-test=checked]", "Nothing is done yet.").await;
    desk.confirm().await;
    desk.is_delivered("skip").await;

    desk.stuck("edit").await;
    desk.choose("edit_input", "Running").await;
    desk.ada.fill("#input", "{\"to\": \"elsewhere\", \"is_letter\": false}").await;
    desk.confirm().await;
    desk.is_delivered("edit").await;
    desk.close().await;
}

#[tokio::test]
async fn a_parcel_is_compensated_cancelled_resumed_forward_and_paused() {
    if !is_installed("verbs that turn back") {
        return;
    }
    let desk = Desk::open("ada", "operator").await;

    desk.stuck("compensate").await;
    desk.choose("compensate", "Compensating").await;
    desk.ada.read("[data-test=to-undo]", "pack").await;
    desk.confirm().await;
    desk.follows_to("Compensated").await;

    desk.show("cancel", "Waiting").await;
    desk.choose("cancel", "Compensating").await;
    desk.confirm().await;
    desk.follows_to("Compensated").await;

    // What cannot be undone at first is sent on its way after all.
    desk.depot.breaks("void_label", "forward", "the label is glued on");
    desk.show("forward", "Waiting").await;
    desk.choose("cancel", "Compensating").await;
    desk.confirm().await;
    desk.follows_to("Stuck").await;
    desk.ada.read("[data-test=incident]", "the label is glued on").await;
    desk.choose("resume_forward", "Running").await;
    desk.confirm().await;
    desk.is_delivered("forward").await;

    desk.show("pause", "Waiting").await;
    desk.choose("pause", "Paused").await;
    desk.confirm().await;
    desk.follows_to("Paused").await;
    desk.choose("resume", "Running").await;
    desk.confirm().await;
    desk.is_delivered("pause").await;
    desk.close().await;
}

#[tokio::test]
async fn an_admin_closes_terminates_and_forks_a_parcel() {
    if !is_installed("verbs of an admin") {
        return;
    }
    let desk = Desk::open("grace", "admin").await;

    desk.stuck("close").await;
    desk.choose("close", "Closed").await;
    desk.confirm().await;
    desk.follows_to("Closed").await;

    desk.show("terminate", "Waiting").await;
    desk.choose("terminate", "Closed").await;
    desk.confirm().await;
    desk.follows_to("Closed").await;

    desk.stuck("fork").await;
    let stuck = desk.ada.path().await;
    desk.depot.mends();
    desk.choose("fork", "Stuck").await;
    assert!(!desk.ada.has("[data-test=refusal]").await, "what suggests itself would do");
    desk.ada.fill("#workflow_id", "ship:fork again").await;
    desk.confirm().await;
    desk.ada.read("h1", "ship:fork again").await;
    desk.is_delivered("fork again").await;
    desk.ada.go(&stuck).await;
    desk.ada.read("[data-test=state]", "Stuck").await;
    desk.close().await;
}

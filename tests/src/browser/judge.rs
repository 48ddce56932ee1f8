//! What is wrong with a page: by the browser's own logs, and by axe-core for whoever cannot see it.

use serde::Deserialize;
use serde_json::{Value, json};
use thirtyfour::WebDriver;

use super::Browser;

/// Unmodified from the npm registry, with its licence beside it.
const AXE: &str = include_str!("../../assets/axe/axe.min.js");

const RUN_AXE: &str = "axe.run(document, { resultTypes: ['violations'] }).then(
  (found) => answer(found.violations.map((rule) => ({
    rule: rule.id, impact: rule.impact, help: rule.help,
    places: rule.nodes.map((node) => node.target.join(' ') + ': ' + node.failureSummary),
  }))),
  (fault) => answer([{ rule: 'axe', impact: 'critical', help: String(fault), places: [] }]));";

/// Something that keeps somebody from using a page.
#[derive(Debug, Clone, Deserialize)]
pub struct Finding {
    /// The rule of axe-core.
    pub rule: String,
    /// `minor`, `moderate`, `serious` or `critical`.
    pub impact: Option<String>,
    /// What it asks for.
    pub help: String,
    /// The elements, and what is wrong with each.
    pub places: Vec<String>,
}

impl Finding {
    /// Whether somebody cannot use the page because of it, or only with difficulty.
    pub fn is_serious(&self) -> bool {
        matches!(self.impact.as_deref(), Some("serious" | "critical"))
    }
}

impl Browser {
    /// What axe-core finds on the page.
    pub async fn findings(&self) -> Vec<Finding> {
        self.script(AXE).await;
        let found = self.script_that_answers(RUN_AXE, Vec::new()).await;
        serde_json::from_value(found).unwrap()
    }
}

/// Requests to other hosts, broken rules of the content policy, and errors of scripts.
pub(super) async fn complaints(driver: &WebDriver, origin: &str) -> Vec<String> {
    let said = driver.browser_log().await.unwrap().into_iter().map(|entry| entry.message);
    // That a server refuses a request is what some tests ask for.
    let mut wrong: Vec<String> =
        said.filter(|line| !line.contains("the server responded with a status of 4")).collect();
    for entry in driver.get_log("performance").await.unwrap() {
        let event: Value = serde_json::from_str(&entry.message).unwrap();
        if event.pointer("/message/method") != Some(&json!("Network.requestWillBeSent")) {
            continue;
        }
        let url = event.pointer("/message/params/request/url").and_then(Value::as_str).unwrap();
        let is_ours = url.strip_prefix(origin).is_some_and(|path| path.starts_with('/'));
        let is_own = ["data:", "about:", "chrome:"].iter().any(|scheme| url.starts_with(scheme));
        if !is_ours && !is_own {
            wrong.push(format!("a request left for {url}"));
        }
    }
    wrong
}

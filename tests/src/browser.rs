//! A real browser at the console: Debian's chromium, led through its chromedriver.
//!
//! It has a profile of its own, reaches nothing but this machine, and is gone when it is dropped.
//! Every wait is for something that is seen, and has an end.

mod driver;
mod judge;

use std::fmt::Display;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::capabilities::chrome::ChromeCapabilities;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel, TypingData};

use self::driver::Driver;
pub use self::driver::is_installed;
pub use self::judge::Finding;
use crate::http::Web;
use crate::wait::until_within;

/// How long something may take until it is seen.
const SOON: Duration = Duration::from_secs(40);

/// How somebody looks at the console.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Of the window, in pixels.
    pub width: u32,
    /// Of the window, in pixels.
    pub height: u32,
    /// The system prefers dark colours.
    pub is_dark: bool,
    /// Scripts run.
    pub has_script: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { width: 1280, height: 900, is_dark: false, has_script: true }
    }
}

/// Somebody's browser. Fields are dropped in this order: first what drives it, then its profile.
pub struct Browser {
    process: Driver,
    driver: WebDriver,
    origin: String,
    profile: TempDir,
}

impl Browser {
    /// A browser that looks at the server at `origin`.
    pub async fn open(origin: &str, view: View) -> Self {
        let process = Driver::start().await;
        let profile = tempfile::Builder::new().prefix("makegood-browser-").tempdir().unwrap();
        let capabilities = capabilities(&profile, view);
        let builder = WebDriver::builder(process.url(), capabilities).client(Web::new().client());
        let driver = builder.connect().await.unwrap();
        let browser = Self { process, driver, origin: origin.to_owned(), profile };
        browser.look(view).await;
        browser
    }

    /// Changes the window and the colours; scripts stay as they were.
    pub async fn look(&self, view: View) {
        let (scheme, size) = (if view.is_dark { "dark" } else { "light" }, view);
        let metrics = json!({
            "width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": false,
        });
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.tool("Emulation.setDeviceMetricsOverride", metrics).await;
        self.tool("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    async fn tool(&self, method: &str, parameters: Value) {
        self.driver.cdp().send_raw(method, parameters).await.unwrap();
    }

    /// Goes to a page of the server.
    pub async fn go(&self, path: &str) {
        self.driver.goto(format!("{}{path}", self.origin)).await.unwrap();
    }

    /// Signs in, and stands before the overview.
    pub async fn sign_in(&self, name: &str, password: &str) {
        self.go("/console/sign-in").await;
        self.fill("#name", name).await;
        self.fill("#password", password).await;
        self.click("main button[type=submit]").await;
        self.see("#figures").await;
    }

    /// The path and query of the page.
    pub async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        let query = url.query().map_or(String::new(), |query| format!("?{query}"));
        format!("{}{query}", url.path())
    }

    /// Waits until such an element is seen.
    pub async fn see(&self, css: &str) -> WebElement {
        self.soon(&format!("{css} is seen"), async || {
            let found = self.driver.find(By::Css(css)).await.ok()?;
            found.is_displayed().await.ok()?.then_some(found)
        })
        .await
    }

    /// Waits until the element holds these words.
    pub async fn read(&self, css: &str, words: &str) {
        self.soon(&format!("{css} reads {words:?}"), async || {
            let text = self.driver.find(By::Css(css)).await.ok()?.text().await.ok()?;
            text.contains(words).then_some(())
        })
        .await;
    }

    /// Clicks what is seen there.
    pub async fn click(&self, css: &str) {
        self.soon(&format!("{css} can be clicked"), async || {
            self.driver.find(By::Css(css)).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Clicks the link of these words.
    pub async fn follow(&self, words: &str) {
        self.soon(&format!("there is a link {words:?}"), async || {
            self.driver.find(By::PartialLinkText(words)).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Writes into a field, in place of what is there.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.see(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses from a list, by the value.
    pub async fn choose(&self, css: &str, value: &str) {
        self.click(&format!("{css} option[value='{value}']")).await;
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Whether there is such an element now.
    pub async fn has(&self, css: &str) -> bool {
        !self.driver.find_all(By::Css(css)).await.unwrap().is_empty()
    }

    /// Whether the page holds these words now.
    pub async fn says(&self, words: &str) -> bool {
        self.text("body").await.contains(words)
    }

    /// The words of an element.
    pub async fn text(&self, css: &str) -> String {
        self.see(css).await.text().await.unwrap()
    }

    /// What a script answers.
    pub async fn script(&self, script: &str) -> Value {
        let answer = self.driver.execute(script, Vec::new()).await.unwrap();
        answer.json().clone()
    }

    /// What a script answers that calls back when it is done: `answer(value)`.
    pub async fn script_that_answers(&self, script: &str, given: Vec<Value>) -> Value {
        let script = format!("const answer = arguments[arguments.length - 1]; {script}");
        let answer = self.driver.execute_async(script, given).await.unwrap();
        answer.json().clone()
    }

    /// Marks the page, so that [`Browser::is_same_page`] knows whether it was loaded anew.
    pub async fn mark(&self) {
        self.script("window.marked = true").await;
    }

    /// Whether the page has not been loaded anew since it was marked.
    pub async fn is_same_page(&self) -> bool {
        self.script("return window.marked === true").await == json!(true)
    }

    /// The page as a picture.
    pub async fn picture(&self) -> Vec<u8> {
        self.driver.screenshot_as_png().await.unwrap()
    }

    /// What the browser found wrong since it was last asked: requests to other hosts, broken rules
    /// of the content policy, scripts that failed.
    pub async fn complaints(&self) -> Vec<String> {
        judge::complaints(&self.driver, &self.origin).await
    }

    /// Ends it. It must have asked no other host, and found no fault in the pages.
    pub async fn close(self) {
        let complaints = self.complaints().await;
        let Self { mut process, driver, profile, .. } = self;
        driver.quit().await.unwrap();
        process.end();
        drop(profile);
        assert!(complaints.is_empty(), "the browser found nothing wrong, but: {complaints:#?}");
    }

    /// Waits; when it waits in vain, the page is shown.
    async fn soon<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let mut shown = String::new();
        let begun = std::time::Instant::now();
        until_within(SOON * 2, what, async || {
            if let Some(found) = look().await {
                return Some(found);
            }
            if begun.elapsed() > SOON {
                shown = self.shown().await;
            }
            assert!(shown.is_empty(), "waited in vain: {what}; the page is {shown}");
            None
        })
        .await
    }

    async fn shown(&self) -> String {
        let body = async { self.driver.find(By::Css("body")).await?.text().await };
        let text: &dyn Display = &body.await.unwrap_or_default();
        format!("{}:\n{text}", self.path().await)
    }
}

/// Headless, with its own profile, without the calls home that a browser makes by itself.
fn capabilities(profile: &TempDir, view: View) -> ChromeCapabilities {
    let mut wanted = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", profile.path().display());
    for argument in [
        "--headless",
        // Root may not use the sandbox; only our own pages are looked at.
        "--no-sandbox",
        // The browser ends with its driver, however that ends.
        "--remote-debugging-pipe",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-gpu",
        "--disable-sync",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
        "--no-default-browser-check",
        "--no-first-run",
        &profile,
    ] {
        wanted.add_arg(argument).unwrap();
    }
    if !view.has_script {
        let refused = json!({"profile.managed_default_content_settings.javascript": 2});
        wanted.add_experimental_option("prefs", refused).unwrap();
    }
    for log in ["browser", "performance"] {
        wanted.set_logging_prefs(log, LoggingPrefsLogLevel::All).unwrap();
    }
    wanted
}

//! Those who may sign in to the console.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::browser::{Browser, View};
use crate::shop::Shop;

/// The password of each of them.
pub const PASSPHRASE: &str = "correct horse battery staple";

impl Shop {
    /// Lets somebody sign in to the console: `viewer`, `operator` or `admin`.
    pub async fn operator(&self, name: &str, rank: &str) {
        let mut command =
            self.command(&["operators", "add", name, "--rank", rank, "--password-stdin"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut adds = command.spawn().unwrap();
        let mut stdin = adds.stdin.take().unwrap();
        stdin.write_all(PASSPHRASE.as_bytes()).await.unwrap();
        drop(stdin);
        let output = adds.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A browser in which nobody is signed in.
    pub async fn browser(&self, view: View) -> Browser {
        Browser::open(&self.api.url(""), view).await
    }

    /// A browser in which somebody new of this rank is signed in, under the rank's name.
    pub async fn signed_in(&self, name: &str, rank: &str, view: View) -> Browser {
        self.operator(name, rank).await;
        let browser = self.browser(view).await;
        browser.sign_in(name, PASSPHRASE).await;
        browser
    }
}

//! Whatever holds a secret can be printed for debugging without showing it.

use activities::gateway::{GatewayConfig, RazorpayClient, install_tls};
use makegood::Database;
use makegood_tests::{Process, Shop};
use store::users::PasswordHash;

const SECRET: &str = "q7Lw2VnXc9RtBz5KdMpJ4sHf";

// CFG-04
#[test]
fn what_holds_a_secret_is_printed_without_it() {
    install_tls();
    let sandbox = gateway_sandbox::Config {
        key_secret: SECRET.into(),
        webhook_secret: SECRET.into(),
        ..gateway_sandbox::Config::default()
    };
    let config = GatewayConfig::new("http://127.0.0.1:1", "rzp_test_1", SECRET.into());
    let printed = [
        format!("{sandbox:?}"),
        format!("{config:?}"),
        format!("{:?}", RazorpayClient::new(config).unwrap()),
        format!("{:?}", PasswordHash(SECRET.to_owned())),
        format!(
            "{:?}",
            Database::new(&format!("postgres://u:{SECRET}@127.0.0.1:1/d"), "c").unwrap()
        ),
    ];
    for text in printed {
        assert!(!text.contains(SECRET), "it is masked: {text}");
        assert!(text.len() > 4, "and something is shown: {text}");
    }
}

// CFG-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_talkative_log_shows_no_secret() {
    let plan = Shop::plan().api_env("MAKEGOOD_LOG", "trace").worker_env("MAKEGOOD_LOG", "trace");
    let shop = plan.open().await;
    shop.product("tea", 10).await;
    shop.customer().await.buy(&[("tea", 1)]).await;
    shop.audit().await;
    let secrets = [
        "acceptance-0123456789-abcdefghijkl",
        "sandbox-key-secret",
        // The gateway's keys as they travel.
        "c3Rfc2FuZGJveDAwMDAwMDpzYW5kYm94LWtleS1zZWNyZXQ=",
        "sandbox-webhook-secret",
        "correct horse battery staple",
    ];
    let logs: [&Process; 2] = [&shop.api, &shop.workers[0]];
    for process in logs {
        let log = process.log();
        assert!(log.contains("DEBUG"), "{} says much", process.name());
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{} shows no secret", process.name());
        }
    }
}

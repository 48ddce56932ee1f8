//! What the handlers share: the database, the engine's client, the keys, and how to stop.

use std::sync::Arc;

use axum::extract::FromRef;
use makegood::Client;
use sqlx::PgPool;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::Instrument;

use crate::config::Config;
use crate::console::{Bulks, Watch};
use crate::error::{ApiError, ApiResult};
use crate::identity::Tokens;
use crate::observe::in_request;
use crate::passwords::Passwords;

/// More pieces of work than ever run at once: the database has far fewer connections.
const SLOTS: u32 = 1 << 20;

/// The state of every handler.
pub(crate) type Shared = Arc<App>;

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) pool: PgPool,
    pub(crate) client: Client,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    /// True once the server was asked to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Who looks for the console's live pages.
    pub(crate) watch: Watch,
    /// Where bulk actions are told that they begin.
    pub(crate) bulks: Bulks,
    work: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        config: Config,
        pool: PgPool,
        client: Client,
        passwords: Passwords,
        stopping: watch::Receiver<bool>,
        bulks: Bulks,
    ) -> Shared {
        let tokens = Tokens::new(&config.keys.jwt_secret, config.token_ttl);
        let work = Arc::new(Semaphore::new(usize::try_from(SLOTS).unwrap_or(usize::MAX >> 3)));
        let watch = Watch::new();
        Arc::new(Self { config, pool, client, tokens, passwords, stopping, watch, bulks, work })
    }

    /// Runs work on the database to its end, whether or not anybody still waits for the answer.
    ///
    /// A client that hangs up, or a timeout, drops the handler at its await. Without a task of its
    /// own the database call would be dropped half-way with it, and nobody could say whether it
    /// took effect. Only work that takes twice as long as any request may is dropped: its
    /// connection leads nowhere any more, and would be lost to everybody else.
    pub(crate) fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = ApiResult<T>> + Send + 'static,
    ) -> impl Future<Output = ApiResult<T>> + Send {
        // Whoever waits carries a pointer to the work, however large that is.
        let work = Box::pin(work);
        async move {
            let Ok(slot) = Arc::clone(&self.work).acquire_owned().await else {
                return Err(ApiError::Stopping);
            };
            let limit = self.config.request_timeout.saturating_mul(2);
            let task = async move {
                let _slot = slot;
                timeout(limit, work).await.unwrap_or_else(|late| {
                    Err(ApiError::Unavailable(
                        format!("no answer from the database: {late}").into(),
                    ))
                })
            };
            match tokio::spawn(in_request(task).in_current_span()).await {
                Ok(done) => done,
                Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
                Err(_) => Err(ApiError::Stopping),
            }
        }
    }

    /// Waits until every piece of work has ended; nothing new may begin afterwards.
    pub(crate) async fn finished(&self) {
        let _all = self.work.acquire_many(SLOTS).await;
        self.work.close();
    }

    /// Resolves when the server was asked to stop.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.clone();
        async move {
            // An error means that the server is gone already.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}

impl FromRef<Shared> for Tokens {
    fn from_ref(app: &Shared) -> Self {
        app.tokens.clone()
    }
}

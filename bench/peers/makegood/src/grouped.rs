//! Callers that share a transaction: what many want at once is carried out together, and each
//! hears of it after the commit.

use std::future::Future;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

/// An ask, and who waits for its answer.
type Asked<T, R> = (T, oneshot::Sender<Result<R, String>>);

/// Carries asks out in groups, over several lanes.
pub(crate) struct Grouped<T, R> {
    asks: mpsc::UnboundedSender<Asked<T, R>>,
    /// Ends the lanes with itself.
    _lanes: JoinSet<()>,
}

impl<T: Send + 'static, R: Send + 'static> Grouped<T, R> {
    /// Groups of at most `size`, so many at once as there are `lanes`. `carry` answers in the order
    /// of the asks.
    pub(crate) fn new<F, C>(lanes: usize, size: usize, carry: F) -> Self
    where
        F: Fn(Vec<T>) -> C + Clone + Send + 'static,
        C: Future<Output = anyhow::Result<Vec<R>>> + Send + 'static,
    {
        let (asks, asked) = mpsc::unbounded_channel();
        let asked = Arc::new(Mutex::new(asked));
        let mut running = JoinSet::new();
        for _ in 0..lanes {
            running.spawn(lane(Arc::clone(&asked), size, carry.clone()));
        }
        Self { asks, _lanes: running }
    }

    /// Done, and committed.
    pub(crate) async fn ask(&self, what: T) -> anyhow::Result<R> {
        let (tell, told) = oneshot::channel();
        self.asks.send((what, tell)).ok().context("nobody carries anything out any more")?;
        told.await?.map_err(|error| anyhow!(error))
    }
}

async fn lane<T, R, F, C>(
    asked: Arc<Mutex<mpsc::UnboundedReceiver<Asked<T, R>>>>,
    size: usize,
    carry: F,
) where
    F: Fn(Vec<T>) -> C,
    C: Future<Output = anyhow::Result<Vec<R>>>,
{
    let mut group = Vec::with_capacity(size);
    while asked.lock().await.recv_many(&mut group, size).await > 0 {
        let (asks, tells): (Vec<T>, Vec<_>) = group.drain(..).unzip();
        match carry(asks).await {
            Ok(answers) => {
                for (tell, answer) in tells.into_iter().zip(answers) {
                    let _ = tell.send(Ok(answer));
                }
            }
            Err(error) => {
                for tell in tells {
                    let _ = tell.send(Err(format!("{error:#}")));
                }
            }
        }
    }
}

//! What many callers ask at once, answered together by one task. A caller that goes away takes
//! nothing with it: the task finishes what it has begun.

use tokio::sync::{mpsc, oneshot};

use crate::error::Error;

/// Questions answered at once.
const BATCH: usize = 256;

/// Answers questions, as many at once as there are.
pub(super) trait Desk: Send + Sync + 'static {
    /// What is asked.
    type Question: Send;
    /// What is answered.
    type Answer: Send;

    /// Answers them all.
    fn serve(
        &self,
        asked: Vec<Asked<Self::Question, Self::Answer>>,
    ) -> impl Future<Output = ()> + Send;
}

/// A question, and who waits for its answer.
pub(super) struct Asked<Q, A> {
    pub(super) question: Q,
    answer: oneshot::Sender<Result<A, Error>>,
}

impl<Q, A> Asked<Q, A> {
    pub(super) fn answer(self, answer: Result<A, Error>) {
        // A caller that no longer waits asks again with the same id, and learns it then.
        let _ = self.answer.send(answer);
    }
}

/// The way to a desk.
#[derive(Debug)]
pub(super) struct Queue<Q, A> {
    asked: mpsc::Sender<Asked<Q, A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Queue<Q, A> {
    /// Opens a desk. It answers whatever was asked while it answered the batch before, and closes
    /// when the last asker is gone.
    pub(super) fn before(desk: impl Desk<Question = Q, Answer = A>) -> Self {
        let (asked, mut questions) = mpsc::channel(4 * BATCH);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while questions.recv_many(&mut batch, BATCH).await > 0 {
                desk.serve(std::mem::take(&mut batch)).await;
            }
        });
        Self { asked }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, question: Q) -> Result<A, Error> {
        let gone = || Error::Database(sqlx::Error::WorkerCrashed);
        let (answer, answered) = oneshot::channel();
        self.asked.send(Asked { question, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

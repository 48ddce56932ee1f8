//! Several things at once: both, all, or the first of two.

use std::future::Future;

use futures::StreamExt;
use futures::future::{Either, join, join_all, select, try_join_all};
use futures::stream;

use super::Ctx;
use crate::workflow::WorkflowResult;

/// Which of two came first; made by [`Ctx::first`].
///
/// ```
/// use makegood::First;
///
/// let first: First<&str, u32> = First::Left("the signal");
/// assert_ne!(first, First::Right(7));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First<A, B> {
    /// The one that was named first.
    Left(A),
    /// The other.
    Right(B),
}

impl<S> Ctx<S> {
    /// Awaits both, at the same time. Waits for the second even if the first fails, so that
    /// nothing is under way when it answers; then the first failure is the answer.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # use std::time::Duration;
    /// async fn run(ctx: Ctx, _: ()) -> WorkflowResult<()> {
    ///     let hour = Duration::from_secs(3_600);
    ///     ctx.join(ctx.sleep(hour), ctx.sleep(hour * 2)).await?; // two hours, not three
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The failure of a branch; passed on, it makes the run good.
    pub async fn join<A, B>(
        &self,
        one: impl Future<Output = WorkflowResult<A>>,
        other: impl Future<Output = WorkflowResult<B>>,
    ) -> WorkflowResult<(A, B)> {
        let (one, other) = join(one, other).await;
        Ok((one?, other?))
    }

    /// Awaits all, at the same time, and answers in their order. Waits for every one even if some
    /// fail; then the first failure is the answer.
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, WorkflowResult};
    /// # async fn run<Send: Activity<Input = String>>(ctx: Ctx, parcels: Vec<String>) -> WorkflowResult<usize> {
    /// let sent = ctx.all(parcels.iter().map(|parcel| ctx.step::<Send>(parcel))).await?;
    /// # Ok(sent.len())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The failure of a branch; passed on, it makes the run good.
    pub async fn all<T>(
        &self,
        branches: impl IntoIterator<Item = impl Future<Output = WorkflowResult<T>>>,
    ) -> WorkflowResult<Vec<T>> {
        join_all(branches).await.into_iter().collect()
    }

    /// Awaits all, at the same time, and answers in their order; or with the first failure as soon
    /// as it comes. Whatever is under way then is dropped: a wait is over, a step that was asked
    /// for is done all the same before the run ends, and a child goes on until the run is made
    /// good, which cancels it.
    ///
    /// ```
    /// # use makegood::{Ctx, Workflow, WorkflowResult};
    /// # struct Parcel;
    /// # impl Workflow for Parcel {
    /// #     const NAME: &'static str = "parcel";
    /// #     type Input = String;
    /// #     type Output = ();
    /// #     async fn run(_: Ctx, _: String) -> WorkflowResult<()> { Ok(()) }
    /// # }
    /// async fn run(ctx: Ctx, warehouses: Vec<String>) -> WorkflowResult<()> {
    ///     // One that fails cancels the others by way of `?`, without waiting for them.
    ///     ctx.try_all(warehouses.iter().map(|from| ctx.child::<Parcel>(from))).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The failure of a branch; passed on, it makes the run good.
    pub async fn try_all<T>(
        &self,
        branches: impl IntoIterator<Item = impl Future<Output = WorkflowResult<T>>>,
    ) -> WorkflowResult<Vec<T>> {
        try_join_all(branches).await
    }

    /// Awaits all, at most so many at the same time, and answers in their order. What has not
    /// begun when one fails does not begin any more.
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, WorkflowResult};
    /// # async fn run<Send: Activity<Input = String>>(ctx: Ctx, parcels: Vec<String>) -> WorkflowResult<usize> {
    /// let steps = parcels.iter().map(|parcel| ctx.step::<Send>(parcel));
    /// let sent = ctx.all_at_most(5, steps).await?; // five at a time
    /// # Ok(sent.len())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The failure of a branch; passed on, it makes the run good.
    pub async fn all_at_most<T>(
        &self,
        at_most: usize,
        branches: impl IntoIterator<Item = impl Future<Output = WorkflowResult<T>>>,
    ) -> WorkflowResult<Vec<T>> {
        // Made before the first is awaited, so that their order is the program's.
        let branches: Vec<_> = branches.into_iter().collect();
        let mut answers = Vec::new();
        let mut running = stream::iter(branches).buffered(at_most.max(1));
        let mut failure = None;
        while let Some(answer) = running.next().await {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        failure.map_or(Ok(answers), Err)
    }

    /// Awaits whichever comes first and drops the other: a wait or timer is over with it, a step
    /// that was asked for is done all the same, before the run ends.
    ///
    /// ```
    /// # use makegood::{Ctx, First, Signal, WorkflowResult};
    /// # use std::time::Duration;
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct Yes;
    /// # impl Signal for Yes { const KIND: &'static str = "yes"; }
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct No;
    /// # impl Signal for No { const KIND: &'static str = "no"; }
    /// async fn run(ctx: Ctx, _: ()) -> WorkflowResult<bool> {
    ///     let day = Duration::from_secs(86_400);
    ///     let word = ctx.first(ctx.signal::<Yes>().within(day), ctx.signal::<No>().within(day));
    ///     Ok(matches!(word.await, First::Left(Ok(Some(Yes)))))
    /// }
    /// ```
    pub async fn first<A, B>(
        &self,
        one: impl Future<Output = A>,
        other: impl Future<Output = B>,
    ) -> First<A, B> {
        let (one, other) = (std::pin::pin!(one), std::pin::pin!(other));
        match select(one, other).await {
            Either::Left((one, _)) => First::Left(one),
            Either::Right((other, _)) => First::Right(other),
        }
    }
}

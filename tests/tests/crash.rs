//! The crash matrix: a worker dies at every point that a checkout reaches, and another one carries
//! the checkout to the end that it has without a crash, each effect once.

mod matrix;

use matrix::{Path, cross};

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_may_die_at_any_point_of_a_paid_checkout() {
    cross(Path::Paid).await;
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_may_die_at_any_point_of_a_checkout_that_expires() {
    cross(Path::Expired).await;
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_may_die_at_any_point_of_a_cancel_that_gives_money_back() {
    cross(Path::Refunded).await;
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_may_die_at_any_point_between_news_that_decide_nothing_and_the_payment() {
    cross(Path::Hinted).await;
}

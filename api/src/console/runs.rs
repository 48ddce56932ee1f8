//! To be written.

use askama::Template;

use super::page::{Frame, Here, Page, draw};
use super::who::Operator;

#[derive(Template)]
#[template(path = "console/runs.html")]
struct Runs {
    frame: Frame,
}

pub(crate) async fn list(who: Operator) -> Page {
    draw(&Runs { frame: Frame::new("Runs", Here::Runs, who) })
}

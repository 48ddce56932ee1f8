//! To be written.

use askama::Template;

use super::page::{Frame, Here, Page, draw};
use super::who::Operator;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Overview {
    frame: Frame,
}

pub(crate) async fn show(who: Operator) -> Page {
    draw(&Overview { frame: Frame::new("Overview", Here::Overview, who) })
}

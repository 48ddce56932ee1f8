//! The console's icons, drawn in the page: a state is told by its shape, never by colour alone.

use std::fmt;

use askama::filters::HtmlSafe;

/// An icon beside a word; it says nothing by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Loop,
    Home,
    List,
    Alert,
    Machine,
    Stack,
    Calendar,
    Person,
    Play,
    Clock,
    Back,
    Undone,
    Check,
    Pause,
    Cross,
    Retry,
    Info,
    Filter,
    Star,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Loop => "M13 8a5 5 0 1 1-1.6-3.7M13.4 2v3h-3M5.8 8.1l1.6 1.6 2.9-3.2",
            Self::Home => "M2.5 9.5h3l1.5-6 2.5 9 1.5-5h2.5",
            Self::List => "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01",
            Self::Alert => "M8 2.2 14.3 13.3H1.7zM8 6.5v3M8 11.5v.01",
            Self::Machine => "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
            Self::Stack => "M8 2 14 5 8 8 2 5zM2 8l6 3 6-3M2 11l6 3 6-3",
            Self::Calendar => "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v3M10.5 2v3",
            Self::Person => {
                "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 14c.5-2.4 2.5-4 5.2-4s4.7 1.6 5.2 4"
            }
            Self::Play => "M4.5 2.8 13 8l-8.5 5.2z",
            Self::Clock => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
            Self::Back => "M6 3 2.5 6.5 6 10M2.8 6.5H9a4 4 0 0 1 0 7.5H7",
            Self::Undone => {
                "M5.5 2.5 2.5 5.5l3 3M2.8 5.5H9a3.6 3.6 0 0 1 3.7 3.7M6.5 12l1.8 1.8L12 10.5"
            }
            Self::Check => "M2.8 8.5 6.3 12l7-8",
            Self::Pause => "M5 3v10M11 3v10",
            Self::Cross => "M2.5 2.5h11v11h-11zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
            Self::Retry => {
                "M13.2 6.5A5.5 5.5 0 0 0 3.3 5M2.8 2v3.2H6M2.8 9.5a5.5 5.5 0 0 0 9.9 1.5M13.2 14v-3.2H10"
            }
            Self::Filter => "M2.5 3.5h11M4.5 8h7M6.5 12.5h3",
            Self::Star => "M8 2.2 9.8 6l4.2.5-3.1 2.9.8 4.2L8 11.5l-3.7 2.1.8-4.2L2 6.5 6.2 6z",
            Self::Info => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.3v3.5M8 5.2v.01",
        }
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        write!(
            f,
            r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>"#
        )
    }
}

impl HtmlSafe for Icon {}

//! A run's state as a shape and a word, coloured besides.

use askama::Template;
use askama::filters::HtmlSafe;

use super::icons::Icon;

/// A shape and a word. Put into a template as `{{ badge }}`.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = r#"<span class="badge {{ tone }}">{{ icon }}<span>{{ word }}</span></span>"#
)]
pub(crate) struct Badge {
    tone: &'static str,
    icon: Icon,
    word: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    /// One of the eight run states, or the derived `RETRYING`.
    pub(crate) fn state(state: &str) -> Self {
        let (tone, icon, word) = match state {
            "RUNNING" => ("busy", Icon::Play, "Running"),
            "RETRYING" => ("warn", Icon::Retry, "Retrying"),
            "WAITING" => ("wait", Icon::Clock, "Waiting"),
            "COMPENSATING" => ("back", Icon::Back, "Compensating"),
            "COMPLETED" => ("good", Icon::Check, "Completed"),
            "COMPENSATED" => ("back", Icon::Undone, "Compensated"),
            "STUCK" => ("bad", Icon::Alert, "Stuck"),
            "PAUSED" => ("warn", Icon::Pause, "Paused"),
            "CLOSED" => ("wait", Icon::Cross, "Closed"),
            other => return Self::new("wait", Icon::Info, other),
        };
        Self::new(tone, icon, word)
    }

    /// Any word; `tone` is `good`, `busy`, `wait`, `back`, `warn` or `bad`.
    pub(crate) fn new(tone: &'static str, icon: Icon, word: impl Into<String>) -> Self {
        Self { tone, icon, word: word.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_by_a_word_and_a_shape_and_escapes_what_it_does_not_know() {
        let stuck = Badge::state("STUCK").to_string();
        assert!(stuck.contains(">Stuck<") && stuck.contains("<svg"), "{stuck}");
        let odd = Badge::state("<b>").to_string();
        assert!(!odd.contains("<b>"), "{odd}");
    }
}

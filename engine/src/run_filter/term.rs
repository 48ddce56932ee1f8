//! Terms: their keys and values as they are written, and what they can be together.

use super::{RunFilter, Shown, Term, What, When};
use crate::operator::RunState;

impl Term {
    /// Those of which it is true.
    ///
    /// ```
    /// use makegood::{Term, What};
    ///
    /// assert!(!Term::is(What::Id("booking-1".into())).not);
    /// ```
    pub fn is(what: What) -> Self {
        Self { not: false, what }
    }

    /// Those of which it is not true.
    ///
    /// ```
    /// use makegood::{Term, What};
    ///
    /// assert!(Term::not(What::Id("booking-1".into())).not);
    /// ```
    pub fn not(what: What) -> Self {
        Self { not: true, what }
    }

    /// The opposite.
    ///
    /// ```
    /// use makegood::{Term, What};
    ///
    /// let term = Term::is(What::Workflow("refund".into()));
    /// assert_eq!(term.turned().turned(), term);
    /// ```
    #[must_use]
    pub fn turned(&self) -> Self {
        Self { not: !self.not, what: self.what.clone() }
    }
}

impl What {
    /// The word before the equals sign.
    ///
    /// ```
    /// let what = makegood::What::Attribute("customer".into(), "81".into());
    /// assert_eq!((what.key(), what.value()), ("attr.customer".into(), "81".into()));
    /// ```
    pub fn key(&self) -> String {
        let key = match self {
            Self::State(_) => "state",
            Self::Workflow(_) => "workflow",
            Self::Attribute(name, _) if name == "tenant" => "tenant",
            Self::Attribute(name, _) => return format!("attr.{name}"),
            Self::Id(_) => "id",
            Self::Class(_) => "class",
            Self::Fingerprint(_) => "fingerprint",
            Self::Error(_) => "error",
            Self::QuietFor(_) => "quiet_for",
            Self::Since(_) => "since",
            Self::Until(_) => "until",
            Self::EndedSince(_) => "ended_since",
            Self::EndedUntil(_) => "ended_until",
        };
        key.to_owned()
    }

    /// What is behind the equals sign.
    ///
    /// ```
    /// let hour = std::time::Duration::from_secs(3_600);
    /// assert_eq!(makegood::What::QuietFor(hour).value(), "1h");
    /// ```
    pub fn value(&self) -> String {
        match self {
            Self::State(state) => state.as_str().to_owned(),
            Self::Workflow(text)
            | Self::Attribute(_, text)
            | Self::Id(text)
            | Self::Class(text)
            | Self::Fingerprint(text)
            | Self::Error(text) => text.clone(),
            Self::QuietFor(length) => super::length_words(*length),
            Self::Since(when)
            | Self::Until(when)
            | Self::EndedSince(when)
            | Self::EndedUntil(when) => when.to_string(),
        }
    }
}

impl Shown {
    /// Every word that a state may be told by.
    ///
    /// ```
    /// assert_eq!(makegood::Shown::ALL.len(), makegood::RunState::ALL.len() + 4);
    /// ```
    pub const ALL: [Self; 12] = [
        Self::Is(RunState::Running),
        Self::Is(RunState::Waiting),
        Self::Is(RunState::Compensating),
        Self::Is(RunState::Stuck),
        Self::Is(RunState::Paused),
        Self::Is(RunState::Completed),
        Self::Is(RunState::Compensated),
        Self::Is(RunState::Closed),
        Self::Retrying,
        Self::NeedsAttention,
        Self::Live,
        Self::Ended,
    ];

    /// The word.
    ///
    /// ```
    /// use makegood::{RunState, Shown};
    ///
    /// assert_eq!(Shown::Is(RunState::Stuck).as_str(), "STUCK");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.as_str(),
            Self::Retrying => "RETRYING",
            Self::NeedsAttention => "NEEDS_ATTENTION",
            Self::Live => "LIVE",
            Self::Ended => "ENDED",
        }
    }

    /// The states that it stands for; a retrying run may be in any of those, and not all are.
    pub(crate) fn states(self) -> &'static [RunState] {
        use RunState as S;
        match self {
            Self::Is(S::Running) => &[S::Running],
            Self::Is(S::Waiting) => &[S::Waiting],
            Self::Is(S::Compensating) => &[S::Compensating],
            Self::Is(S::Completed) => &[S::Completed],
            Self::Is(S::Compensated) => &[S::Compensated],
            Self::Is(S::Stuck) => &[S::Stuck],
            Self::Is(S::Paused) => &[S::Paused],
            Self::Is(S::Closed) => &[S::Closed],
            Self::Retrying => &[S::Running, S::Waiting, S::Compensating],
            Self::NeedsAttention => &[S::Stuck, S::Paused],
            Self::Live => &[S::Running, S::Waiting, S::Compensating, S::Stuck, S::Paused],
            Self::Ended => &[S::Completed, S::Compensated, S::Closed],
        }
    }
}

impl RunFilter {
    /// Whether only runs can be meant that have not ended.
    pub(crate) fn is_of_live_runs(&self) -> bool {
        self.every_state_is(&[Shown::Live, Shown::Retrying])
            || self.said(|what| {
                matches!(what, What::Class(_) | What::Fingerprint(_) | What::QuietFor(_))
            })
    }

    /// Whether only runs can be meant that have an open incident.
    pub(crate) fn is_of_incidents(&self) -> bool {
        self.every_state_is(&[Shown::NeedsAttention])
            || self.said(|what| matches!(what, What::Class(_) | What::Fingerprint(_)))
    }

    /// Whether each state that is asked for is among those, and one is.
    pub(crate) fn every_state_is(&self, among: &[Shown]) -> bool {
        let those: Vec<RunState> = among.iter().flat_map(|one| one.states()).copied().collect();
        let mut asked = self.states_asked().peekable();
        let within = |shown: Shown| shown.states().iter().all(|state| those.contains(state));
        asked.peek().is_some() && asked.all(within)
    }

    /// Whether this is the one state that is asked for.
    pub(crate) fn asks_for_nothing_but(&self, state: Shown) -> bool {
        let mut asked = self.states_asked().peekable();
        asked.peek().is_some() && asked.all(|asked| asked == state)
    }

    fn states_asked(&self) -> impl Iterator<Item = Shown> + '_ {
        self.terms.iter().filter(|term| !term.not).filter_map(|term| match term.what {
            What::State(shown) => Some(shown),
            _ => None,
        })
    }

    fn said(&self, is: impl Fn(&What) -> bool) -> bool {
        self.terms.iter().any(|term| !term.not && is(&term.what))
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(at) => f.write_str(&at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Self::Ago(length) => f.write_str(&super::length_words(*length)),
        }
    }
}

//! Points at which a test can kill the process: before and after each commit and each effect.
//!
//! Only with the feature `faults`, which no release build turns on; without it a point is nothing.
//! `MAKEGOOD_FAULT_LOG` names a file that gets a line for each point reached;
//! `MAKEGOOD_FAULT=point#n` kills the process, as SIGKILL does, when it reaches `point` the n-th
//! time (from 1); `MAKEGOOD_FAULT=stop:point#n` stops it, as SIGSTOP does.

/// Says that the process has come this far.
#[cfg(not(feature = "faults"))]
#[inline]
pub(crate) fn point(_: &'static str, _: &str) {}

/// Says that the process has come this far, and does what the test wants there.
#[cfg(feature = "faults")]
pub(crate) fn point(moment: &'static str, what: &str) {
    armed::reach(&if what.is_empty() { moment.to_owned() } else { format!("{moment} {what}") });
}

#[cfg(feature = "faults")]
mod armed {
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::time::Duration;

    use parking_lot::Mutex;
    use rustix::process::{Signal, getpid, kill_process};

    struct Armed {
        log: Option<String>,
        signal: Signal,
        target: Option<(String, u32)>,
        reached: Mutex<BTreeMap<String, u32>>,
    }

    fn armed() -> &'static Armed {
        static ARMED: OnceLock<Armed> = OnceLock::new();
        ARMED.get_or_init(|| {
            let spec = std::env::var("MAKEGOOD_FAULT").unwrap_or_default();
            let stop = spec.strip_prefix("stop:");
            let target = stop.unwrap_or(&spec).rsplit_once('#');
            Armed {
                log: std::env::var("MAKEGOOD_FAULT_LOG").ok(),
                signal: if stop.is_some() { Signal::STOP } else { Signal::KILL },
                target: target.and_then(|(point, n)| Some((point.to_owned(), n.parse().ok()?))),
                reached: Mutex::default(),
            }
        })
    }

    pub(super) fn reach(point: &str) {
        let armed = armed();
        let count = {
            let mut reached = armed.reached.lock();
            let count = reached.entry(point.to_owned()).or_default();
            *count = count.saturating_add(1);
            *count
        };
        if let Some(log) = &armed.log {
            let file = OpenOptions::new().create(true).append(true).open(log);
            if let Ok(mut file) = file {
                let _ = writeln!(file, "{point}#{count}");
            }
        }
        let hit = |(target, n): &(String, u32)| target == point && *n == count;
        if armed.target.as_ref().is_some_and(hit) {
            let _ = kill_process(getpid(), armed.signal);
            // A stop reaches one thread after the other: this one goes no further until it is.
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

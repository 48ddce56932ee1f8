//! What processes of this machine used: processor time and memory, by the kernel's word.
//! On other systems than Linux, and for processes elsewhere, there is no answer.

use std::fs;
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second, on every Linux that we know.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of some living processes so far.
pub(crate) fn cpu(pids: &[u32]) -> Option<Duration> {
    pids.iter().map(|pid| Some(Stat::read(*pid)?.own)).sum()
}

/// Processor time of this process so far.
pub(crate) fn own_cpu() -> Option<Duration> {
    cpu(&[std::process::id()])
}

/// Processor time of a server so far: of the postmaster, of its children, and of those that ended.
pub(crate) fn server_cpu(postmaster: u32) -> Option<Duration> {
    let mut sum = Stat::read(postmaster).map(|stat| stat.own.saturating_add(stat.reaped))?;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = Stat::read(pid).filter(|stat| stat.parent == postmaster) {
            sum = sum.saturating_add(stat.own);
        }
    }
    Some(sum)
}

/// The parent of a server's session, if that session is a process of this machine.
pub(crate) fn postmaster_of(backend: u32) -> Option<u32> {
    let name = fs::read_to_string(format!("/proc/{backend}/comm")).ok()?;
    if name.trim() != "postgres" {
        return None;
    }
    Stat::read(backend).map(|stat| stat.parent)
}

/// The most memory that any of some processes had resident so far, in KiB.
pub(crate) fn peak_kib(pids: &[u32]) -> Option<u64> {
    pids.iter().filter_map(|pid| status(*pid, "VmHWM:")).max()
}

/// The memory that any of some processes has resident now, in KiB.
pub(crate) fn resident_kib(pids: &[u32]) -> Option<u64> {
    pids.iter().filter_map(|pid| status(*pid, "VmRSS:")).max()
}

fn status(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What `/proc/PID/stat` says.
struct Stat {
    parent: u32,
    own: Duration,
    reaped: Duration,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the name in parentheses, which may hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let time = |first: usize| {
            let ticks = |place: usize| fields.get(place)?.parse::<u32>().ok();
            Some(TICK.saturating_mul(ticks(first)?.saturating_add(ticks(first.saturating_add(1))?)))
        };
        let parent = fields.get(1)?.parse().ok()?;
        Some(Self { parent, own: time(11)?, reaped: time(13)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b) S 3 7 7 0 -1 4194304 0 0 0 0 150 50 20 5 20 0 1 0 1 1 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.parent, 3);
        assert_eq!(stat.own, Duration::from_secs(2), "user and system time");
        assert_eq!(stat.reaped, Duration::from_millis(250), "and those of ended children");
    }

    #[test]
    fn a_process_that_is_gone_has_no_figures() {
        assert_eq!(cpu(&[u32::MAX]), None);
        assert_eq!(peak_kib(&[u32::MAX]), None);
        assert_eq!(postmaster_of(std::process::id()), None, "this is no server's session");
    }
}

//! What processes use, as the kernel counts it: processor time and memory. Linux only.

use std::fs;

/// The kernel counts in hundredths of a second for programs.
const TICK_MS: u64 = 10;

/// Processor time of a process and all below it, in milliseconds, that of its ended children
/// included.
pub(crate) fn cpu_ms(root: u32) -> u64 {
    let own = |pid: u32| stat(pid).map_or(0, |stat| stat.ticks);
    let ended = stat(root).map_or(0, |stat| stat.ticks_of_ended);
    let living: u64 = tree(root).into_iter().map(own).sum();
    living.saturating_add(ended).saturating_mul(TICK_MS)
}

/// The most memory that a process and those below it have used, each at its peak, in KiB.
pub(crate) fn peak_kib(root: u32) -> u64 {
    let peak = |pid: u32| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    tree(root).into_iter().filter_map(peak).sum()
}

/// Processor time of the whole machine, in milliseconds: spent, and there was.
pub(crate) fn machine_ms() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    // The fourth is idle, the fifth waits for a disk.
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all.saturating_sub(idle).saturating_mul(TICK_MS), all.saturating_mul(TICK_MS))
}

struct Stat {
    parent: u32,
    ticks: u64,
    ticks_of_ended: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    let sum = |one: usize, other: usize| Some(number(one)?.saturating_add(number(other)?));
    let parent = words.get(1)?.parse().ok()?;
    Some(Stat { parent, ticks: sum(11, 12)?, ticks_of_ended: sum(13, 14)? })
}

/// A process and all below it.
fn tree(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, stat(pid)?.parent))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next = next.saturating_add(1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something_and_has_a_child_when_it_starts_one() {
        let me = std::process::id();
        assert!(peak_kib(me) > 100, "a process has memory");
        let (spent, there_was) = machine_ms();
        assert!(0 < spent && spent < there_was, "{spent} of {there_was} ms");
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(tree(me).contains(&child.id()), "a child is below its parent");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

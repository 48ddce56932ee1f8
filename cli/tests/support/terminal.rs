//! A terminal at which somebody types.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A terminal in which these lines are typed ahead. It is left open until this process ends.
pub fn typing(lines: &str) -> OwnedFd {
    let (terminal, mut typist) = open();
    typist.write_all(lines.as_bytes()).unwrap();
    std::mem::forget(typist);
    terminal
}

/// A terminal, and whoever types there.
pub fn open() -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (terminal.into(), File::from(master))
}

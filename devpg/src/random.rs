//! Random bytes from the system, for passwords and port numbers.

use std::{fs::File, io::Read};

use crate::Error;

const SOURCE: &str = "/dev/urandom";

fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    File::open(SOURCE)
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(Error::file("read", SOURCE))?;
    Ok(bytes)
}

/// A password of 32 hexadecimal digits, which needs no escaping in a URL.
pub(crate) fn password() -> Result<String, Error> {
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes()?)))
}

/// A port between 20000 and 31999: below the ports that systems hand to outgoing connections, so
/// that no client can take it while the server is down between a kill and a restart.
pub(crate) fn port() -> Result<u16, Error> {
    Ok(20_000 + u16::from_ne_bytes(bytes()?) % 12_000)
}

//! The end of a parent: its pipe to our stdin closes, however it died.

use std::io::Read;
use std::thread;

use tokio::sync::oneshot;

/// Resolves when stdin reaches its end.
///
/// The reader is a plain thread: the runtime would wait for its own reader before it ends.
pub(crate) fn gone() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut scrap = [0_u8; 256];
        loop {
            match stdin.read(&mut scrap) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = tell.send(());
    });
    told
}

//! A bare socket that treats every request in one hostile way.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the other side does with each connection, after it has read the request.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Writes these bytes and closes.
    Says(&'static str),
    /// Answers with this status line and body, as JSON.
    Answers(&'static str, &'static str),
    /// Closes without a byte.
    Closes,
    /// Aborts the connection.
    Resets,
    /// Never answers.
    Hangs,
}

/// A socket that does the same to every request; it ends with its test.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) async fn that(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut hanging = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                hanging.extend(treat(stream, does).await);
            }
        });
        Self { address, task }
    }
}

async fn treat(mut stream: TcpStream, does: Does) -> Option<TcpStream> {
    read_request(&mut stream).await;
    match does {
        Does::Says(text) => drop(stream.write_all(text.as_bytes()).await),
        Does::Answers(status, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n"
            );
            drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
        }
        Does::Closes => {}
        Does::Resets => stream.set_zero_linger().unwrap(),
        Does::Hangs => return Some(stream),
    }
    None
}

/// Reads up to the end of the body that the head announces, so that closing is no reset.
async fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let text = String::from_utf8_lossy(&seen).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => seen.extend_from_slice(&chunk[..count]),
        }
    }
}

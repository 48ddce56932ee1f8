//! A server process of the binary: started, asked over HTTP, told to end, and never left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::until;

/// A server under way.
pub struct Process {
    child: Child,
    /// Where it says that it listens.
    pub addr: SocketAddr,
    /// What it says that it is.
    pub role: String,
    stdin: Option<ChildStdin>,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it and waits until it listens.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        thread::spawn(move || {
            let mut part = [0_u8; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut part) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
            }
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let Ok(told) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait().unwrap();
            panic!("it listens; instead {status}: {line:?}\n{}", log.lock().unwrap());
        };
        let addr = told["listening"].as_str().unwrap().parse().unwrap();
        let role = told["role"].as_str().unwrap().to_owned();
        Self { child, addr, role, stdin, log }
    }

    /// The status and body of one GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    /// Waits until a GET answers with this status.
    pub fn await_status(&self, path: &str, status: u16, limit: Duration) {
        until(&format!("{path} answers {status}"), limit, || {
            (self.get(path).0 == status).then_some(())
        });
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "the signal was sent");
    }

    /// Closes its stdin, as the end of its parent does.
    pub fn orphan(&mut self) {
        drop(self.stdin.take());
    }

    /// Waits for its end: the exit code and how long it took.
    pub fn end(&mut self, limit: Duration) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let log = Arc::clone(&self.log);
        let status = until("the process ends", limit, || {
            let ended = self.child.try_wait().unwrap();
            let late = ended.is_none() && begun.elapsed() > limit;
            assert!(!late, "it ends within {limit:?}; its log: {}", log.lock().unwrap());
            ended
        });
        (status.code(), begun.elapsed())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A printer on the network: it prints a key once, and nothing under a key that was voided.
//! Requests are lines: `print KEY TEXT`, `void KEY`, `raw TEXT`, `count N`, `paper`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use makegood::testkit::Result;
use makegood::{ActivityError, ActivityResult};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The printer's tray, and the task that serves it.
pub struct Printer {
    address: String,
    tray: Arc<Mutex<Tray>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Tray {
    slips: Vec<(String, String)>,
    voided: BTreeSet<String>,
    counter: i64,
}

impl Printer {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let tray = Arc::new(Mutex::new(Tray::default()));
        let serving = tokio::spawn(serve(listener, Arc::clone(&tray)));
        Ok(Self { address, tray, serving })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// What lies in the tray, and what the counter shows.
    pub fn slips(&self) -> Vec<String> {
        let tray = self.tray.lock().unwrap();
        let slips = tray.slips.iter().map(|(_, text)| format!("printed: {text}"));
        let counted = (tray.counter != 0).then(|| format!("counted: {}", tray.counter));
        slips.chain(counted).collect()
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, tray: Arc<Mutex<Tray>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let tray = Arc::clone(&tray);
        tokio::spawn(async move {
            let (reader, mut writer) = stream.split();
            let mut line = String::new();
            if BufReader::new(reader).read_line(&mut line).await.is_ok() {
                let answer = tray.lock().unwrap().take(line.trim_end());
                writer.write_all(answer.as_bytes()).await.ok();
            }
        });
    }
}

impl Tray {
    fn take(&mut self, request: &str) -> &'static str {
        let (verb, rest) = request.split_once(' ').unwrap_or((request, ""));
        let (key, text) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "raw" => self.slips.push((String::new(), rest.to_owned())),
            "print" if self.voided.contains(key) => return "voided\n",
            "print" if self.slips.iter().any(|(known, _)| known == key) => {}
            "print" => self.slips.push((key.to_owned(), text.to_owned())),
            "void" => {
                self.voided.insert(key.to_owned());
                self.slips.retain(|(known, _)| known != key);
            }
            "count" => self.counter += rest.parse::<i64>().unwrap_or_default(),
            "paper" => {}
            _ => return "what?\n",
        }
        "done\n"
    }
}

/// Sends one request. Whatever goes wrong on the way, it may have been printed.
pub async fn ask(address: &str, request: &str) -> ActivityResult<()> {
    match exchange(address, request).await {
        Ok(answer) if answer.trim_end() == "done" => Ok(()),
        Ok(answer) if answer.trim_end() == "voided" => Err(ActivityError::rejected("VOIDED")),
        Ok(answer) => Err(ActivityError::unknown(format!("the printer says {answer:?}"))),
        Err(error) => Err(ActivityError::unknown(error.to_string())),
    }
}

async fn exchange(address: &str, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(answer)
}

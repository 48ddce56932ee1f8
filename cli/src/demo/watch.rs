//! Follows one order's live status as a browser does: server-sent events, resumed after a break.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use domain::OrderStatus;
use reqwest::Response;
use serde::Deserialize;
use tokio::time::{sleep, timeout, timeout_at};

use super::customer::Web;

const PAUSE: Duration = Duration::from_millis(100);
/// A stream that says nothing for so long is opened again; the shop says something every 15 s.
const SILENCE: Duration = Duration::from_secs(20);

/// The live status of one order.
pub(crate) struct Watch<'a> {
    web: &'a Web,
    path: String,
    token: &'a str,
    last_id: Option<String>,
    stream: Option<Response>,
    buffer: Vec<u8>,
    /// The last status seen.
    pub(crate) status: OrderStatus,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

impl<'a> Watch<'a> {
    /// Begins with an order that was just placed.
    pub(crate) fn of(web: &'a Web, token: &'a str, order_id: &str) -> Self {
        let path = format!("/api/v1/orders/{order_id}/stream");
        let status = OrderStatus::Pending;
        Self { web, path, token, last_id: None, stream: None, buffer: Vec::new(), status }
    }

    /// Waits until the status is none of `old`, for at most `limit`.
    pub(crate) async fn leave(
        &mut self,
        old: &[OrderStatus],
        limit: Duration,
    ) -> anyhow::Result<OrderStatus> {
        let deadline = Instant::now() + limit;
        while old.contains(&self.status) {
            match timeout_at(deadline.into(), self.step()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) if Instant::now() < deadline => {
                    self.stream = None;
                    sleep(PAUSE).await;
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    bail!("the order was still {} after {} s", self.status, limit.as_secs())
                }
            }
        }
        Ok(self.status)
    }

    /// One piece of the stream, from a new connection when there is none.
    async fn step(&mut self) -> anyhow::Result<()> {
        let Some(stream) = &mut self.stream else {
            let mut request = self.web.get(&self.path, self.token);
            if let Some(id) = &self.last_id {
                request = request.header("last-event-id", id);
            }
            let response = timeout(SILENCE, request.send()).await??.error_for_status()?;
            self.stream = Some(response);
            self.buffer.clear();
            return Ok(());
        };
        let piece = timeout(SILENCE, stream.chunk()).await??;
        let piece = piece.ok_or_else(|| anyhow!("the stream ended"))?;
        self.buffer.extend_from_slice(&piece);
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.buffer.drain(..end.saturating_add(2)).collect();
            self.take(&String::from_utf8_lossy(&event))?;
        }
        Ok(())
    }

    fn take(&mut self, event: &str) -> anyhow::Result<()> {
        for line in event.lines() {
            match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("id", id)) => self.last_id = Some(id.to_owned()),
                Some(("data", data)) => {
                    let Status { status } = serde_json::from_str(data)?;
                    self.status = status.parse()?;
                    self.web.saw(&self.path, &status)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

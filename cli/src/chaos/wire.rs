//! A way between two parts of ours that can be cut, slowed and silenced: a small TCP proxy.
//! It never looks into what it carries.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// What each piece takes while it is slow.
const SLOWNESS: Duration = Duration::from_millis(120);
/// The most that is carried at once.
const PIECE: usize = 16 * 1_024;

/// What can be wrong with a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trouble {
    /// Every connection ends, and so does every new one.
    Cut,
    /// Every piece takes its time.
    Slow,
    /// Nothing goes through, and goes on afterwards.
    Frozen,
    /// The far side is gone, and the near side never hears of it.
    HalfOpen,
    /// The next answer is lost, and its connection with it: what was asked has happened.
    AnswersLost,
}

impl Trouble {
    pub(crate) const ALL: [Self; 5] =
        [Self::Cut, Self::Slow, Self::Frozen, Self::HalfOpen, Self::AnswersLost];
}

/// How a wire is, and how often it took its connections away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    now: Option<Trouble>,
    cuts: u64,
    silences: u64,
}

type Weather = watch::Receiver<State>;

/// A listening end with one or more far ends behind it. Dropping it ends every connection.
pub(crate) struct Wire {
    addr: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    weather: watch::Sender<State>,
    open: Arc<AtomicU64>,
    carrier: JoinHandle<()>,
}

impl Wire {
    /// Lays a wire; where it leads to may be said later.
    pub(crate) async fn lay(targets: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot lay a wire")?;
        let addr = listener.local_addr()?;
        let targets = Arc::new(Mutex::new(targets));
        let (weather, seen) = watch::channel(State::default());
        let open = Arc::new(AtomicU64::new(0));
        let carrier = tokio::spawn(accept(listener, Arc::clone(&targets), seen, Arc::clone(&open)));
        Ok(Self { addr, targets, weather, open, carrier })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// New connections lead to these from now on, each to the next that answers.
    pub(crate) fn lead_to(&self, targets: Vec<SocketAddr>) {
        *self.targets.lock() = targets;
    }

    /// From now on this is wrong with it; answers how many connections met it.
    pub(crate) fn trouble(&self, trouble: Trouble) -> u64 {
        self.weather.send_modify(|state| {
            state.now = Some(trouble);
            match trouble {
                Trouble::Cut => state.cuts = state.cuts.wrapping_add(1),
                Trouble::HalfOpen => state.silences = state.silences.wrapping_add(1),
                Trouble::Slow | Trouble::Frozen | Trouble::AnswersLost => {}
            }
        });
        self.open.load(Relaxed)
    }

    /// From now on it is well. What is gone stays gone.
    pub(crate) fn heal(&self) {
        self.weather.send_modify(|state| state.now = None);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

async fn accept(
    listener: TcpListener,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    weather: Weather,
    open: Arc<AtomicU64>,
) {
    // Owned by this task: it ends them all with itself.
    let mut connections = JoinSet::new();
    let mut turn = 0_usize;
    loop {
        let near = select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((near, _)) = near else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        if weather.borrow().now == Some(Trouble::Cut) {
            continue;
        }
        let mut order = targets.lock().clone();
        turn = turn.wrapping_add(1);
        let first = turn.checked_rem(order.len()).unwrap_or_default();
        order.rotate_left(first);
        let (weather, open) = (weather.clone(), Arc::clone(&open));
        connections.spawn(async move {
            open.fetch_add(1, Relaxed);
            carry(near, order, weather).await;
            open.fetch_sub(1, Relaxed);
        });
    }
}

/// How a connection came to its end.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Both sides may know.
    Told,
    /// The near side must not.
    Silent,
}

async fn carry(mut near: TcpStream, order: Vec<SocketAddr>, mut weather: Weather) {
    // While nothing goes through, nobody is let in either.
    let is_passable =
        |state: &State| !matches!(state.now, Some(Trouble::Frozen | Trouble::HalfOpen));
    if weather.wait_for(is_passable).await.is_err() {
        return;
    }
    let born = *weather.borrow();
    let Some(mut far) = reach(order).await else { return };
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let end = {
        let (near_read, near_write) = near.split();
        let (far_read, far_write) = far.split();
        let (asked, answered) = (Carries::Questions, Carries::Answers);
        select! {
            end = pump(near_read, far_write, asked, weather.clone(), born) => end,
            end = pump(far_read, near_write, answered, weather.clone(), born) => end,
        }
    };
    drop(far);
    if end == End::Silent {
        let mut unheard = vec![0_u8; PIECE];
        while near.read(&mut unheard).await.is_ok_and(|read| read > 0) {}
    }
}

async fn reach(order: Vec<SocketAddr>) -> Option<TcpStream> {
    for target in order {
        if let Ok(far) = TcpStream::connect(target).await {
            return Some(far);
        }
    }
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Questions,
    Answers,
}

impl State {
    /// Whether a connection of that time has been taken away since.
    fn end_of(self, born: Self) -> Option<End> {
        let is_cut = self.cuts != born.cuts;
        let is_silent = self.silences != born.silences;
        is_cut.then_some(End::Told).or(is_silent.then_some(End::Silent))
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    carries: Carries,
    mut weather: Weather,
    born: State,
) -> End {
    let mut piece = vec![0_u8; PIECE];
    loop {
        let read = select! {
            read = from.read(&mut piece) => read,
            gone = weather.wait_for(|state| state.end_of(born).is_some()) => {
                return gone.ok().and_then(|state| state.end_of(born)).unwrap_or(End::Told);
            }
        };
        let Ok(Some(read)) = read.map(|read| piece.get(..read)) else { return End::Told };
        if read.is_empty() {
            return End::Told;
        }
        if weather.borrow().now == Some(Trouble::Slow) {
            sleep(SLOWNESS).await;
        }
        let is_thawed = weather.wait_for(|state| state.now != Some(Trouble::Frozen)).await;
        let Ok(now) = is_thawed.map(|state| *state) else { return End::Told };
        if let Some(end) = now.end_of(born) {
            return end;
        }
        if now.now == Some(Trouble::AnswersLost) && carries == Carries::Answers {
            return End::Told;
        }
        if to.write_all(read).await.is_err() {
            return End::Told;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);
    const NEVER: Duration = Duration::from_millis(300);

    /// A server that repeats what it hears, and how much that was.
    async fn echo() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut byte = [0_u8; 1];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        counter.fetch_add(1, Relaxed);
                        if stream.write_all(&byte).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (addr, heard)
    }

    async fn call(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"?").await?;
        stream.read_u8().await
    }

    async fn laid() -> (Wire, TcpStream, Arc<AtomicU64>) {
        let (addr, heard) = echo().await;
        let wire = Wire::lay(vec![addr]).await.unwrap();
        let mut stream = TcpStream::connect(wire.addr()).await.unwrap();
        assert_eq!(call(&mut stream).await.unwrap(), b'?', "a wire that is well carries");
        (wire, stream, heard)
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_lets_nobody_in_until_it_is_healed() {
        let (wire, mut stream, _) = laid().await;
        assert_eq!(wire.trouble(Trouble::Cut), 1, "one connection met it");
        assert!(timeout(SOON, call(&mut stream)).await.unwrap().is_err(), "it is over");
        let mut next = TcpStream::connect(wire.addr()).await.unwrap();
        assert!(timeout(SOON, call(&mut next)).await.unwrap().is_err(), "so is the next");
        wire.heal();
        let mut after = TcpStream::connect(wire.addr()).await.unwrap();
        assert!(call(&mut after).await.is_ok(), "afterwards all is well");
    }

    #[tokio::test]
    async fn what_is_frozen_goes_on_afterwards() {
        let (wire, mut stream, heard) = laid().await;
        wire.trouble(Trouble::Frozen);
        stream.write_all(b"?").await.unwrap();
        assert!(timeout(NEVER, stream.read_u8()).await.is_err(), "nothing comes back");
        assert_eq!(heard.load(Relaxed), 1, "and nothing arrived");
        wire.heal();
        assert!(timeout(SOON, stream.read_u8()).await.unwrap().is_ok(), "now it does");
    }

    #[tokio::test]
    async fn what_is_half_open_stays_silent_and_the_next_is_well() {
        let (wire, mut stream, _) = laid().await;
        wire.trouble(Trouble::HalfOpen);
        wire.heal();
        stream.write_all(b"?").await.unwrap();
        let heard = timeout(NEVER, stream.read_u8()).await;
        assert!(heard.is_err(), "neither an answer nor an end: {heard:?}");
        let mut next = TcpStream::connect(wire.addr()).await.unwrap();
        assert!(call(&mut next).await.is_ok(), "a new connection is well");
    }

    #[tokio::test]
    async fn a_lost_answer_is_to_something_that_has_happened() {
        let (wire, mut stream, heard) = laid().await;
        wire.trouble(Trouble::AnswersLost);
        assert!(timeout(SOON, call(&mut stream)).await.unwrap().is_err(), "the answer is lost");
        assert_eq!(heard.load(Relaxed), 2, "the question was not");
    }

    #[tokio::test]
    async fn a_slow_wire_is_slow() {
        let (wire, mut stream, _) = laid().await;
        wire.trouble(Trouble::Slow);
        let begun = Instant::now();
        assert!(call(&mut stream).await.is_ok());
        assert!(begun.elapsed() >= SLOWNESS * 2, "there and back: {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn connections_take_turns_and_pass_over_the_dead() {
        let ((one, heard), (two, also)) = (echo().await, echo().await);
        let wire = Wire::lay(vec![one]).await.unwrap();
        let gone = Wire::lay(Vec::new()).await.unwrap().addr();
        wire.lead_to(vec![one, gone, two]);
        for _ in 0..6 {
            let mut stream = TcpStream::connect(wire.addr()).await.unwrap();
            assert!(call(&mut stream).await.is_ok(), "somebody answers");
        }
        assert!(heard.load(Relaxed) > 0 && also.load(Relaxed) > 0, "both did");
    }
}

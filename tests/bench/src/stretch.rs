//! A stretch of time in which consumers catch up from one server.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::connection::Tally;
use crate::outcome::{Outcome, failed};
use crate::peers::{Consumer, Errand, FetchPeer};
use crate::process::Server;

/// Until congestion windows and send buffers have grown.
const WARM_UP: Duration = Duration::from_millis(60);
/// How long the first bytes of the slowest consumer may take.
const WARM_UP_PATIENCE: Duration = Duration::from_secs(10);

/// What a stretch of time has brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch {
    pub seconds: f64,
    /// Of all consumers together.
    pub kept_bytes: f64,
    /// Of the server.
    pub cpu_seconds: f64,
}

impl Stretch {
    pub fn gb_per_second(&self) -> f64 {
        self.kept_bytes / 1e9 / self.seconds
    }

    pub fn cpu_seconds_per_gb(&self) -> f64 {
        self.cpu_seconds / (self.kept_bytes / 1e9)
    }
}

/// Has consumers catch up, and measures for `time` while they do.
pub fn measure(
    peer: &dyn FetchPeer,
    consumers: usize,
    errand: &Errand,
    time: Duration,
) -> Outcome<Stretch> {
    let crowd = Crowd::start(peer, consumers, errand)?;
    crowd.warm_up()?;
    let before = Sample::take(&crowd, peer.server())?;
    thread::sleep(time);
    let after = Sample::take(&crowd, peer.server())?;
    crowd.stop()?;
    Ok(before.until(&after))
}

/// Consumers, a thread each.
pub struct Crowd {
    members: Vec<Member>,
    is_over: Arc<AtomicBool>,
}

struct Member {
    tally: Arc<Tally>,
    stream: TcpStream,
    thread: JoinHandle<Outcome<()>>,
}

impl Crowd {
    pub fn start(peer: &dyn FetchPeer, consumers: usize, errand: &Errand) -> Outcome<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut crowd = Self { members: Vec::new(), is_over };
        for number in 0..consumers {
            let behind = number as f64 / consumers as f64;
            let consumer = peer.consumer(&Errand { behind, ..*errand })?;
            crowd.add(consumer)?;
        }
        Ok(crowd)
    }

    fn add(&mut self, mut consumer: Box<dyn Consumer>) -> Outcome<()> {
        let stream = consumer.stream().try_clone()?;
        let (tally, is_over) = (Arc::new(Tally::default()), Arc::clone(&self.is_over));
        let counted = Arc::clone(&tally);
        let thread = thread::Builder::new().spawn(move || {
            loop {
                match consumer.fetch(&counted) {
                    // Its connection was closed under it.
                    Err(_) if is_over.load(Ordering::Relaxed) => return Ok(()),
                    Err(error) => return Err(error),
                    Ok(()) => {}
                }
            }
        })?;
        self.members.push(Member { tally, stream, thread });
        Ok(())
    }

    /// Waits until every consumer has got something, and for some time more.
    pub fn warm_up(&self) -> Outcome<()> {
        let began = Instant::now();
        let has_some = |it: &Member| it.tally.wire_bytes.load(Ordering::Relaxed) > 0;
        while !self.members.iter().all(has_some) {
            if began.elapsed() > WARM_UP_PATIENCE || self.members.iter().any(Member::is_gone) {
                return failed("a consumer gets nothing");
            }
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(WARM_UP);
        Ok(())
    }

    /// Ends all conversations in the midst of a response.
    pub fn stop(self) -> Outcome<()> {
        self.is_over.store(true, Ordering::Relaxed);
        for member in &self.members {
            // One that has failed may be closed already; its thread says why.
            let _ = member.stream.shutdown(Shutdown::Both);
        }
        for member in self.members {
            match member.thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => return failed("a consumer has panicked"),
            }
        }
        Ok(())
    }

    fn sum(&self, of: impl Fn(&Tally) -> u64) -> f64 {
        self.members.iter().map(|it| of(&it.tally)).sum::<u64>() as f64
    }
}

impl Member {
    fn is_gone(&self) -> bool {
        self.thread.is_finished()
    }
}

/// All counters at one moment.
pub struct Sample {
    at: Instant,
    kept_bytes: f64,
    cpu_ns: i64,
}

impl Sample {
    pub fn take(crowd: &Crowd, server: &Server) -> Outcome<Self> {
        let cpu_ns = server.cpu_ns()?;
        Ok(Self {
            at: Instant::now(),
            kept_bytes: crowd.sum(|it| it.kept_bytes.load(Ordering::Relaxed)),
            cpu_ns,
        })
    }

    pub fn until(&self, later: &Self) -> Stretch {
        Stretch {
            seconds: (later.at - self.at).as_secs_f64(),
            kept_bytes: later.kept_bytes - self.kept_bytes,
            cpu_seconds: (later.cpu_ns - self.cpu_ns) as f64 / 1e9,
        }
    }
}

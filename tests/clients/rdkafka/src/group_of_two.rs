//! A producer writes all the time, while a second member joins, the broker dies and comes back, and
//! the first member leaves. After each of them whoever is there must get new records; in the end no
//! record may be missing. A record may come twice: one that was not yet committed when its
//! partition went to the other member.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use suite::broker::restart_broker;
use suite::records::verify;
use suite::steps::StepResult;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::kafka::QUIET;
use crate::kafka::consumer;
use crate::kafka::poll;
use crate::kafka::producer;
use crate::kafka::send;

/// How many records the producer sends at a time.
const FEW: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

type Seen = Arc<Mutex<HashSet<usize>>>;

/// `name` is that of the topic and of the group.
pub async fn run(name: String) -> StepResult {
    let seen = Seen::default();
    let is_done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(name.clone(), is_done.clone()));
    let mut first = Member::start(&name, &seen);
    see_new(&mut [&mut first]).await?;
    let mut second = Member::start(&name, &seen);
    see_new(&mut [&mut first, &mut second]).await?;
    restart_broker().await?;
    see_new(&mut [&mut first, &mut second]).await?;
    first.leave().await?;
    is_done.store(true, Ordering::Relaxed);
    let written = writer.await??;
    while count(&seen) < written {
        second.expect_alive().await?;
        sleep(PAUSE).await;
    }
    second.leave().await
}

async fn write(topic: String, is_done: Arc<AtomicBool>) -> StepResult<usize> {
    let producer = producer(&[])?;
    let mut written = 0;
    while !is_done.load(Ordering::Relaxed) {
        send(&producer, &topic, written..written + FEW).await?;
        written += FEW;
        sleep(PAUSE).await;
    }
    Ok(written)
}

/// Waits until each member has read something newer than all that was read before.
async fn see_new(members: &mut [&mut Member]) -> StepResult {
    let before = members.iter().map(|member| member.newest()).max();
    for member in members {
        while Some(member.newest()) <= before {
            member.expect_alive().await?;
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn count(seen: &Seen) -> usize {
    seen.lock().expect("no member panics while it holds this lock").len()
}

/// Reads all the time, until it is told to leave.
struct Member {
    task: JoinHandle<StepResult>,
    is_to_leave: Arc<AtomicBool>,
    /// The highest number of a record that it has read, -1 at first.
    newest: Arc<AtomicI64>,
}

impl Member {
    fn start(name: &str, seen: &Seen) -> Self {
        let (is_to_leave, newest) = (Arc::<AtomicBool>::default(), Arc::new(AtomicI64::new(-1)));
        let read = read(name.to_owned(), seen.clone(), is_to_leave.clone(), newest.clone());
        Self { task: tokio::spawn(read), is_to_leave, newest }
    }

    fn newest(&self) -> i64 {
        self.newest.load(Ordering::Relaxed)
    }

    async fn expect_alive(&mut self) -> StepResult {
        if self.task.is_finished() {
            (&mut self.task).await??;
        }
        Ok(())
    }

    async fn leave(self) -> StepResult {
        self.is_to_leave.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn read(
    name: String,
    seen: Seen,
    is_to_leave: Arc<AtomicBool>,
    newest: Arc<AtomicI64>,
) -> StepResult {
    let consumer = consumer(&name, &[("auto.offset.reset", "earliest")])?;
    consumer.subscribe(&[&name])?;
    let read_one = async || -> StepResult {
        if let Some(got) = poll(&consumer, QUIET).await? {
            let index = verify(&got.record)?;
            seen.lock().expect("no member panics while it holds this lock").insert(index);
            newest.fetch_max(index as i64, Ordering::Relaxed);
        }
        Ok(())
    };
    while !is_to_leave.load(Ordering::Relaxed) {
        read_one().await?;
    }
    // A consumer that is dropped while it has partitions polls until it is closed, throws away what
    // comes, and commits that it has read it. So it gives its partitions back first.
    consumer.unsubscribe();
    while consumer.assignment()?.count() > 0 {
        read_one().await?;
    }
    Ok(())
}

//! Port of the part of `KafkaRequestHandlerPool.resizeThreadPool` that any pool of threads needs:
//! threads that all do the same work, and whose number may change at any time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::common::lock::locked;
use crate::common::named_thread::spawn_named;

/// The work of each thread, which gets its number and checks again and again whether it is to
/// leave.
type Work = Arc<dyn Fn(usize, &Leave) + Send + Sync>;

/// Threads named `<prefix><number>`, numbered from 0.
pub struct WorkerThreads {
    name_prefix: String,
    work: Work,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    /// The one with number 0 first.
    working: Vec<(Arc<Leave>, JoinHandle<()>)>,
    /// Asked to leave, perhaps by one of themselves: joined only at shutdown.
    leaving: Vec<JoinHandle<()>>,
    /// Set by [`WorkerThreads::join`]: a thread that came later would never be joined.
    is_closed: bool,
}

/// Asks a surplus thread to leave.
#[derive(Debug, Default)]
pub struct Leave(AtomicBool);

impl Leave {
    /// Whether the thread is to end as soon as it has nothing in its hands.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl WorkerThreads {
    /// No thread yet. `work` returns when its [`Leave`] says so, or when the owner ends it in its
    /// own way.
    pub fn new(name_prefix: &str, work: impl Fn(usize, &Leave) + Send + Sync + 'static) -> Self {
        let name_prefix = name_prefix.to_string();
        Self { name_prefix, work: Arc::new(work), threads: Mutex::default() }
    }

    /// Changes the number of threads to `count`. Surplus threads, those with the highest numbers,
    /// are asked to leave and not waited for: one of them may be the caller. Does nothing after
    /// [`join`](Self::join), nor during it.
    ///
    /// # Errors
    /// If the system cannot start a thread; those that it has started work.
    pub fn resize(&self, count: usize) -> io::Result<()> {
        let mut threads = locked(&self.threads);
        if threads.is_closed {
            return Ok(());
        }
        threads.leaving.retain(|thread| !thread.is_finished());
        while threads.working.len() > count {
            let Some((leave, thread)) = threads.working.pop() else { break };
            leave.0.store(true, Ordering::Relaxed);
            threads.leaving.push(thread);
        }
        while threads.working.len() < count {
            let number = threads.working.len();
            let (leave, work) = (Arc::new(Leave::default()), Arc::clone(&self.work));
            let name = format!("{}{number}", self.name_prefix);
            let asked = Arc::clone(&leave);
            let thread = spawn_named(name, move || work(number, &asked))?;
            threads.working.push((leave, thread));
        }
        Ok(())
    }

    /// How many threads work, without those that were asked to leave.
    pub fn count(&self) -> usize {
        locked(&self.threads).working.len()
    }

    /// Waits for all threads, which their owner has already asked to end; none is started any more.
    /// Returns how many of them have panicked.
    pub fn join(&self) -> usize {
        let threads = std::mem::replace(
            &mut *locked(&self.threads),
            Threads { is_closed: true, ..Threads::default() },
        );
        let working = threads.working.into_iter().map(|(_, thread)| thread);
        working.chain(threads.leaving).filter_map(|thread| thread.join().err()).count()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Threads that report when they begin and when they leave; they check every millisecond.
    fn reporting() -> (WorkerThreads, mpsc::Receiver<(usize, &'static str)>) {
        let (sender, receiver) = mpsc::channel();
        let threads = WorkerThreads::new("test-worker-", move |number, leave| {
            sender.send((number, "begins")).unwrap();
            while !leave.is_asked() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            sender.send((number, "leaves")).unwrap();
        });
        (threads, receiver)
    }

    fn next(receiver: &mpsc::Receiver<(usize, &'static str)>, count: usize) -> Vec<String> {
        let next = |_| receiver.recv_timeout(PATIENCE).unwrap();
        let reports = (0..count).map(next).map(|(number, what)| format!("{number} {what}"));
        let mut reports: Vec<_> = reports.collect();
        reports.sort_unstable();
        reports
    }

    #[test]
    fn there_are_as_many_threads_as_were_asked_for_last() {
        let (threads, reports) = reporting();
        threads.resize(3).unwrap();
        assert_eq!(next(&reports, 3), ["0 begins", "1 begins", "2 begins"]);
        threads.resize(1).unwrap();
        assert_eq!(
            (threads.count(), next(&reports, 2)),
            (1, vec!["1 leaves".into(), "2 leaves".into()])
        );
        threads.resize(2).unwrap();
        assert_eq!(next(&reports, 1), ["1 begins"]);
        threads.resize(0).unwrap();
        assert_eq!(next(&reports, 2), ["0 leaves", "1 leaves"]);
        assert_eq!((threads.count(), threads.join()), (0, 0));
    }

    #[test]
    fn a_thread_may_ask_itself_to_leave() {
        let (sender, receiver) = mpsc::channel::<Arc<WorkerThreads>>();
        let receiver = Mutex::new(receiver);
        let (asked, was_asked) = mpsc::channel();
        let threads = Arc::new(WorkerThreads::new("test-worker-", move |_, leave| {
            let threads = receiver.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            threads.resize(0).unwrap();
            asked.send(leave.is_asked()).unwrap();
        }));
        threads.resize(1).unwrap();
        sender.send(Arc::clone(&threads)).unwrap();
        assert!(was_asked.recv_timeout(PATIENCE).unwrap());
        assert_eq!(threads.join(), 0);
    }

    /// As a request handler does that alters `num.io.threads` while the broker shuts down.
    #[test]
    fn no_thread_is_started_once_the_threads_are_joined() {
        let (sender, receiver) = mpsc::channel::<Arc<WorkerThreads>>();
        let receiver = Mutex::new(receiver);
        let threads = Arc::new(WorkerThreads::new("test-worker-", move |_, _| {
            let threads = receiver.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            while threads.count() > 0 {
                std::thread::yield_now();
            }
            threads.resize(2).unwrap();
        }));
        threads.resize(1).unwrap();
        sender.send(Arc::clone(&threads)).unwrap();
        assert_eq!((threads.join(), threads.count()), (0, 0));
        threads.resize(1).unwrap();
        assert_eq!(threads.count(), 0);
    }
}

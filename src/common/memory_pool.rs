//! Port of `org.apache.kafka.common.memory.MemoryPool` and `SimpleMemoryPool`: the budget from which
//! all memory is drawn whose size a client decides.
//!
//! Kafka's pool bounds the frames of requests. This one also bounds what they become in memory, and
//! the answers, and so has two divisions.
//!
//! By size: what is larger than [`SMALL_BYTES_MAX`] comes out of a part of its own. However many
//! large requests come, they wait for each other only, and ordinary ones go on. What is not larger
//! than [`FREE_BYTES`] is not drawn at all: that much each connection may cost, as its socket does,
//! and as much again for what it has read along with its request. So ordinary requests pass a pool
//! that is spent, and cost it no instruction.
//!
//! By [`Stage`]: a later one may draw deeper than an earlier one. Requests that have arrived find
//! memory to be decoded in, and requests that are decoded find memory to be answered in, so that
//! what has been begun ends, and gives back what it holds. Nobody draws twice for one thing: a
//! connection that has the memory of a frame, say, never waits for more of it.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::common::time::Time;

/// What a connection may hold of each stage without drawing it.
pub const FREE_BYTES: usize = 4 << 10;
/// The most that is small: more than an ordinary batch of a producer.
pub const SMALL_BYTES_MAX: usize = 64 << 10;
/// With this many, what the stages leave to each other of the small part, a quarter, has room for
/// the largest of what is small: so each stage goes on, however little memory is set.
const FRAMES_BYTES_MIN: usize = 6 * SMALL_BYTES_MAX;

/// What memory is drawn for, in the order of a request's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A frame that is arriving: up to half of the pool.
    Receive,
    /// What the frame becomes when it is read, up to three quarters.
    Decode,
    /// The answer: up to the whole.
    Answer,
}

impl Stage {
    /// How much of `size_bytes` may be drawn in all when this stage draws.
    fn limit_bytes(self, size_bytes: usize) -> usize {
        match self {
            Self::Receive => size_bytes / 2,
            Self::Decode => size_bytes / 4 * 3,
            Self::Answer => size_bytes,
        }
    }
}

/// Memory that was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    stage: Stage,
    /// What the draw would have come to.
    bytes: usize,
    /// What its owner draws first, each time that it tries.
    before_bytes: usize,
    /// It was the system that had nothing, not the pool.
    is_of_system: bool,
}

impl Shortage {
    /// A draw that would have come to `bytes`.
    pub fn new(bytes: usize, stage: Stage) -> Self {
        Self { stage, bytes, before_bytes: 0, is_of_system: false }
    }

    /// The pool has granted `bytes`, and the system has not: nobody tells when it would.
    pub fn of_system(bytes: usize, stage: Stage) -> Self {
        Self { is_of_system: true, ..Self::new(bytes, stage) }
    }

    pub fn is_of_system(self) -> bool {
        self.is_of_system
    }

    /// The same for an owner that draws `bytes` by another draw first. They count if they come out
    /// of the same part: the next try succeeds where there is room for both.
    #[must_use]
    pub fn behind(self, bytes: usize) -> Self {
        let is_same_part = is_small(bytes) == is_small(self.bytes);
        let more_bytes = if is_same_part { bytes } else { 0 };
        Self { before_bytes: self.before_bytes.saturating_add(more_bytes), ..self }
    }

    fn all_bytes(self) -> usize {
        self.bytes.saturating_add(self.before_bytes)
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of memory are not available now", self.all_bytes())
    }
}

impl std::error::Error for Shortage {}

thread_local! {
    /// The pool for what this thread makes far from the request that it is for.
    static POOL_OF_THREAD: RefCell<Arc<MemoryPool>> = RefCell::new(MemoryPool::unlimited());
}

/// Called when memory is given back; must not draw by itself.
pub type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// The memory of all requests together.
pub struct MemoryPool {
    small: Part,
    large: Part,
    /// The length of `waiters`, to be looked at without its lock.
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    next_id: u64,
    wake_ups: Vec<(u64, WakeUp)>,
    depletion: Depletion,
}

/// For how long somebody has waited, however many did at a time.
#[derive(Default)]
struct Depletion {
    /// When the first of those that wait now began to.
    since_ns: Option<i64>,
    before_ns: u64,
}

impl Depletion {
    fn begin(&mut self, now_ns: i64) {
        self.since_ns.get_or_insert(now_ns);
    }

    fn end(&mut self, now_ns: i64) {
        self.before_ns = self.total_ns(now_ns);
        self.since_ns = None;
    }

    fn total_ns(&self, now_ns: i64) -> u64 {
        let since_ns = self.since_ns.unwrap_or(now_ns);
        self.before_ns + (now_ns - since_ns).max(0).unsigned_abs()
    }
}

impl MemoryPool {
    /// A pool of `size_bytes`, a quarter of which is for what is small.
    pub fn new(size_bytes: usize) -> Arc<Self> {
        let small_bytes = size_bytes / 4;
        Arc::new(Self {
            small: Part::new(small_bytes),
            large: Part::new(size_bytes - small_bytes),
            waiting: AtomicUsize::new(0),
            waiters: Mutex::default(),
        })
    }

    /// A pool that may hold frames of `bytes` in all that are not small, or of a little more where
    /// small ones would find no room.
    pub fn for_frames_of(bytes: usize) -> Arc<Self> {
        Self::new(bytes.max(FRAMES_BYTES_MIN).saturating_mul(8).div_ceil(3))
    }

    /// A pool that grants everything.
    pub fn unlimited() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    /// From now on, what this thread makes far from the request that it is for comes out of this
    /// pool: what a codec makes of a batch, deep in the log. A thread of the broker's own, such as a
    /// cleaner's, is not held up by clients.
    pub fn serve_this_thread(self: &Arc<Self>) {
        POOL_OF_THREAD.set(Arc::clone(self));
    }

    pub fn size_bytes(&self) -> usize {
        self.small.size_bytes.saturating_add(self.large.size_bytes)
    }

    /// The most that can ever be granted at once.
    pub fn grant_max_bytes(&self, stage: Stage) -> usize {
        stage.limit_bytes(self.large.size_bytes).max(FREE_BYTES)
    }

    /// Whether what was not granted would be granted now.
    pub fn has_room(&self, shortage: Shortage) -> bool {
        let Shortage { stage, bytes, .. } = shortage;
        bytes <= FREE_BYTES || self.part_of(bytes).has_room(shortage.all_bytes(), stage)
    }

    /// Whether what was not granted would be granted if nobody else had anything.
    pub fn could_grant(&self, shortage: Shortage) -> bool {
        let Shortage { stage, bytes, .. } = shortage;
        let limit_bytes = stage.limit_bytes(self.part_of(bytes).size_bytes);
        bytes <= FREE_BYTES || shortage.all_bytes() <= limit_bytes
    }

    /// What is drawn at present.
    pub fn drawn_bytes(&self) -> usize {
        self.small.drawn_bytes().saturating_add(self.large.drawn_bytes())
    }

    /// What may still be drawn.
    pub fn available_bytes(&self) -> usize {
        self.size_bytes().saturating_sub(self.drawn_bytes())
    }

    /// The most that was drawn for large things at one time since the last call.
    pub fn take_peak_bytes(&self) -> usize {
        self.large.peak_bytes.swap(self.large.drawn_bytes(), Ordering::Relaxed)
    }

    /// Whether somebody waits for memory.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// From now on, and until what this returns is dropped, `wake_up` is called whenever memory is
    /// given back. Look for room only afterwards: what is given back in between would be missed.
    /// By `time`, the wait counts as [time without memory](Self::depleted_ns).
    pub fn wait(self: &Arc<Self>, wake_up: WakeUp, time: &Arc<dyn Time>) -> MemoryWait {
        let mut waiters = locked(&self.waiters);
        waiters.depletion.begin(time.nanoseconds());
        let id = waiters.next_id;
        waiters.next_id += 1;
        waiters.wake_ups.push((id, wake_up));
        self.waiting.store(waiters.wake_ups.len(), Ordering::SeqCst);
        MemoryWait { pool: Arc::clone(self), id, time: Arc::clone(time) }
    }

    /// For how long, up to `now_ns`, memory was wanted and was not there: Kafka's
    /// `MemoryPoolDepletedTimeTotal`, which ends with the next memory that is given back, where this
    /// ends when nobody waits any more.
    pub fn depleted_ns(&self, now_ns: i64) -> u64 {
        locked(&self.waiters).depletion.total_ns(now_ns)
    }

    fn part_of(&self, bytes: usize) -> &Part {
        if is_small(bytes) { &self.small } else { &self.large }
    }

    /// Draws what is missing from `old_bytes` to `new_bytes`. What grows out of the small part gets
    /// all of its place in the large one before it leaves.
    fn grow(&self, old_bytes: usize, new_bytes: usize, stage: Stage) -> Result<(), Shortage> {
        let part = self.part_of(new_bytes);
        let is_same_part = old_bytes > 0 && std::ptr::eq(part, self.part_of(old_bytes));
        let missing_bytes = if is_same_part { new_bytes - old_bytes } else { new_bytes };
        if !part.draw(missing_bytes, stage) {
            return Err(Shortage::new(new_bytes, stage));
        }
        if !is_same_part {
            self.give_back(old_bytes, old_bytes);
        }
        Ok(())
    }

    /// Takes back `bytes` of a draw of `of_bytes`.
    fn give_back(&self, bytes: usize, of_bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.part_of(of_bytes).give_back(bytes);
        if self.is_waited_for() {
            for (_, wake_up) in &locked(&self.waiters).wake_ups {
                wake_up();
            }
        }
    }
}

fn is_small(bytes: usize) -> bool {
    bytes <= SMALL_BYTES_MAX
}

/// A share of the pool: what is drawn from it never exceeds the limit of the stage that draws.
struct Part {
    size_bytes: usize,
    drawn_bytes: AtomicUsize,
    /// The most that was drawn at one time.
    peak_bytes: AtomicUsize,
}

impl Part {
    fn new(size_bytes: usize) -> Self {
        Self { size_bytes, drawn_bytes: AtomicUsize::new(0), peak_bytes: AtomicUsize::new(0) }
    }

    fn drawn_bytes(&self) -> usize {
        self.drawn_bytes.load(Ordering::SeqCst)
    }

    fn has_room(&self, bytes: usize, stage: Stage) -> bool {
        let drawn_bytes = self.drawn_bytes().saturating_add(bytes);
        drawn_bytes <= stage.limit_bytes(self.size_bytes)
    }

    fn draw(&self, bytes: usize, stage: Stage) -> bool {
        let limit_bytes = stage.limit_bytes(self.size_bytes);
        let more = |drawn: usize| drawn.checked_add(bytes).filter(|it| *it <= limit_bytes);
        let before = self.drawn_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if let Ok(before) = before {
            self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
        }
        before.is_ok()
    }

    /// Before [`MemoryPool::is_waited_for`] is asked, in the one order of all such accesses: either
    /// the waiter sees this memory, or this thread sees the waiter.
    fn give_back(&self, bytes: usize) {
        self.drawn_bytes.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// Memory that belongs to its owner, and goes back to the pool with it.
pub struct MemoryDraw {
    pool: Arc<MemoryPool>,
    /// 0, or more than [`FREE_BYTES`].
    bytes: usize,
}

impl MemoryDraw {
    /// Nothing is drawn yet.
    pub fn new(pool: &Arc<MemoryPool>) -> Self {
        Self { pool: Arc::clone(pool), bytes: 0 }
    }

    /// Nothing is drawn yet from the [pool of this thread](MemoryPool::serve_this_thread).
    pub fn of_this_thread() -> Self {
        POOL_OF_THREAD.with_borrow(Self::new)
    }

    pub fn pool(&self) -> &Arc<MemoryPool> {
        &self.pool
    }

    /// What is drawn: 0 if no more than [`FREE_BYTES`] was asked for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Draws until it has `bytes` in all. What it has it keeps, granted or not.
    ///
    /// # Errors
    /// There is not that much now.
    pub fn grow_to(&mut self, bytes: usize, stage: Stage) -> Result<(), Shortage> {
        if bytes > self.bytes.max(FREE_BYTES) {
            self.pool.grow(self.bytes, bytes, stage)?;
            self.bytes = bytes;
        }
        Ok(())
    }

    /// Gives everything back.
    pub fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.give_back(bytes, bytes);
    }
}

impl Drop for MemoryDraw {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for MemoryDraw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryDraw({} bytes)", self.bytes)
    }
}

/// Somebody waits for memory, until this is dropped.
pub struct MemoryWait {
    pool: Arc<MemoryPool>,
    id: u64,
    time: Arc<dyn Time>,
}

impl Drop for MemoryWait {
    fn drop(&mut self) {
        let mut waiters = locked(&self.pool.waiters);
        waiters.wake_ups.retain(|(id, _)| *id != self.id);
        if waiters.wake_ups.is_empty() {
            waiters.depletion.end(self.time.nanoseconds());
        }
        self.pool.waiting.store(waiters.wake_ups.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::mock_time::MockTime;

    const MIB: usize = 1 << 20;

    fn drawn(pool: &Arc<MemoryPool>, bytes: usize, stage: Stage) -> Result<MemoryDraw, Shortage> {
        let mut draw = MemoryDraw::new(pool);
        draw.grow_to(bytes, stage).map(|()| draw)
    }

    #[test]
    fn what_is_drawn_goes_back_with_its_owner() {
        let pool = MemoryPool::new(8 * MIB);
        let mut draw = drawn(&pool, MIB, Stage::Receive).unwrap();
        draw.grow_to(2 * MIB, Stage::Receive).unwrap();
        assert_eq!((draw.bytes(), pool.drawn_bytes()), (2 * MIB, 2 * MIB));
        draw.grow_to(MIB, Stage::Receive).unwrap();
        assert_eq!(draw.bytes(), 2 * MIB);
        drop(draw);
        assert_eq!(pool.drawn_bytes(), 0);
    }

    #[test]
    fn a_later_stage_draws_where_an_earlier_one_finds_nothing_left() {
        let pool = MemoryPool::new(16 * MIB);
        let mut draws = Vec::new();
        for (stage, granted) in [(Stage::Receive, 6), (Stage::Decode, 3), (Stage::Answer, 3)] {
            for _ in 0..granted {
                draws.push(drawn(&pool, MIB, stage).unwrap());
            }
            let shortage = drawn(&pool, MIB, stage).unwrap_err();
            assert!(!pool.has_room(shortage));
        }
        let shortage = drawn(&pool, MIB, Stage::Receive).unwrap_err();
        draws.truncate(5);
        assert!(pool.has_room(shortage));
    }

    #[test]
    fn a_peak_is_seen_once_although_it_was_short() {
        let pool = MemoryPool::new(8 * MIB);
        let _kept = drawn(&pool, MIB, Stage::Receive).unwrap();
        drop(drawn(&pool, 2 * MIB, Stage::Receive).unwrap());
        assert_eq!(pool.take_peak_bytes(), 3 * MIB);
        assert_eq!(pool.take_peak_bytes(), MIB);
    }

    #[test]
    fn what_is_large_leaves_room_for_what_is_small() {
        let pool = MemoryPool::new(16 * MIB);
        let _large = drawn(&pool, pool.grant_max_bytes(Stage::Answer), Stage::Answer).unwrap();
        drawn(&pool, SMALL_BYTES_MAX + 1, Stage::Answer).unwrap_err();
        let _small = drawn(&pool, SMALL_BYTES_MAX, Stage::Receive).unwrap();
    }

    #[test]
    fn what_is_free_passes_a_pool_that_has_nothing() {
        let pool = MemoryPool::new(0);
        let mut draw = drawn(&pool, FREE_BYTES, Stage::Receive).unwrap();
        assert_eq!((draw.bytes(), pool.drawn_bytes()), (0, 0));
        draw.grow_to(FREE_BYTES + 1, Stage::Receive).unwrap_err();
        assert_eq!(pool.grant_max_bytes(Stage::Receive), FREE_BYTES);
    }

    #[test]
    fn a_draw_that_grows_large_leaves_nothing_behind_in_the_small_part() {
        let pool = MemoryPool::new(8 * MIB);
        let mut draw = drawn(&pool, SMALL_BYTES_MAX, Stage::Receive).unwrap();
        draw.grow_to(MIB, Stage::Receive).unwrap();
        assert_eq!((pool.small.drawn_bytes(), pool.large.drawn_bytes()), (0, MIB));

        let mut other = drawn(&pool, SMALL_BYTES_MAX, Stage::Receive).unwrap();
        other.grow_to(8 * MIB, Stage::Receive).unwrap_err();
        assert_eq!((other.bytes(), pool.small.drawn_bytes()), (SMALL_BYTES_MAX, SMALL_BYTES_MAX));
    }

    /// A request that is handled again is decoded again first.
    #[test]
    fn what_is_drawn_first_counts_where_it_comes_out_of_the_same_part() {
        let pool = MemoryPool::new(8 * MIB);
        let (large, small) = (Shortage::new(6 * MIB, Stage::Answer), SMALL_BYTES_MAX);
        assert!(pool.could_grant(large) && pool.could_grant(large.behind(small)));
        assert!(pool.has_room(large) && pool.has_room(large.behind(small)));
        assert!(!pool.could_grant(large.behind(small + 1)));
        assert!(!pool.has_room(large.behind(small + 1)));
        assert!(pool.has_room(Shortage::new(small, Stage::Answer).behind(9 * MIB)));

        let held = drawn(&pool, 2 * MIB, Stage::Answer).unwrap();
        let shortage = Shortage::new(4 * MIB, Stage::Answer).behind(SMALL_BYTES_MAX + 1);
        assert!(!pool.has_room(shortage) && pool.could_grant(shortage));
        drop(held);
        assert!(pool.has_room(shortage));
    }

    #[test]
    fn frames_of_the_size_that_was_asked_for_find_room() {
        for bytes in [FREE_BYTES + 1, 100 * MIB, 100 * MIB + 1] {
            let pool = MemoryPool::for_frames_of(bytes);
            assert!(pool.grant_max_bytes(Stage::Receive) >= bytes - 2);
        }
        drawn(&MemoryPool::unlimited(), usize::MAX / 4, Stage::Receive).unwrap();
    }

    /// However little is set, or a request of 60 KB would wait for ever.
    #[test]
    fn every_small_request_finds_room_in_each_stage_behind_the_ones_before() {
        for bytes in [0, 1, 70_000] {
            let pool = MemoryPool::for_frames_of(bytes);
            let draw = |stage| drawn(&pool, SMALL_BYTES_MAX, stage);
            let frames: Vec<_> = std::iter::from_fn(|| draw(Stage::Receive).ok()).collect();
            assert!(!frames.is_empty());
            let _decoded = draw(Stage::Decode).unwrap();
            draw(Stage::Answer).unwrap();
        }
    }

    #[test]
    fn who_waits_is_woken_by_what_is_given_back_and_nobody_else_is() {
        let pool = MemoryPool::new(8 * MIB);
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        let wake_up: WakeUp = Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        drop(drawn(&pool, MIB, Stage::Receive).unwrap());
        let time: Arc<dyn Time> = Arc::new(MockTime::new());
        let wait = pool.wait(wake_up, &time);
        assert!(pool.is_waited_for());
        drop(drawn(&pool, MIB, Stage::Receive).unwrap());
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        drop(wait);
        assert!(!pool.is_waited_for());
        drop(drawn(&pool, MIB, Stage::Receive).unwrap());
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn time_without_memory_counts_once_however_many_wait() {
        let pool = MemoryPool::new(8 * MIB);
        let clock = Arc::new(MockTime::new());
        let time: Arc<dyn Time> = clock.clone();
        let wait = || pool.wait(Arc::new(|| ()), &time);
        let depleted_ms = || pool.depleted_ns(time.nanoseconds()) / 1_000_000;
        clock.sleep(1);
        let first = wait();
        clock.sleep(2);
        let second = wait();
        clock.sleep(4);
        drop(first);
        assert_eq!(depleted_ms(), 6);
        clock.sleep(8);
        assert_eq!(depleted_ms(), 14, "the second one waits still");
        drop(second);
        clock.sleep(16);
        assert_eq!(depleted_ms(), 14);
        let _third = wait();
        clock.sleep(32);
        assert_eq!(depleted_ms(), 46);
    }

    /// However threads draw and give back, the pool never grants more than it has, and in the end
    /// it has everything.
    #[test]
    fn no_thread_gets_what_another_has() {
        let pool = MemoryPool::new(8 * MIB);
        let granted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for stage in [Stage::Receive, Stage::Decode, Stage::Answer, Stage::Answer] {
                let (pool, granted) = (&pool, &granted);
                scope.spawn(move || {
                    for round in 0..2_000 {
                        let bytes = MIB + round;
                        if let Ok(draw) = drawn(pool, bytes, stage) {
                            let now = granted.fetch_add(bytes, Ordering::SeqCst) + bytes;
                            assert!(now <= 6 * MIB);
                            granted.fetch_sub(bytes, Ordering::SeqCst);
                            drop(draw);
                        }
                    }
                });
            }
        });
        assert_eq!(pool.drawn_bytes(), 0);
    }
}

//! How the operating system is asked to schedule a node's threads.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// Asks for `SCHED_BATCH` for this thread, and so for all that it starts: a thread that becomes ready then waits for its
/// turn instead of interrupting the one that runs.
///
/// A request crosses four threads. When processors are scarce, each hand-over that interrupts somebody splits what could
/// have been one batch, and the clients' next bytes find the gateway awake for a single request. On two processors with
/// three nodes this alone is worth a fifth more throughput (`docs/performance.md`). An idle processor takes a ready
/// thread at once under either policy, so latency at low load stays the same.
pub fn prefer_throughput() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let asked = ThreadPriority::from_posix(thread_priority::ScheduleParams { sched_priority: 0 });
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), asked, policy) {
        // A wish, not a need: some sandboxes forbid it.
        tracing::info!("the system does not schedule this process as a batch: {error}");
    }
}

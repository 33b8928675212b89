//! A task that was begun, and its end.

use super::{Abort, Host};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Why a task or a piece of work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It has panicked.
    #[error("it has panicked")]
    Panicked,
    /// It was ended, or everything was.
    #[error("it was ended before it was done")]
    Ended,
}

enum Kind<T> {
    Tokio(tokio::task::JoinHandle<T>),
    Hosted { result: oneshot::Receiver<T>, abort: Box<dyn Abort> },
}

/// A task that was begun. To be awaited for its result; dropping this leaves the task alone.
pub struct Task<T>(Kind<T>);

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

impl<T> Task<T> {
    pub(super) const fn tokio(task: tokio::task::JoinHandle<T>) -> Self {
        Self(Kind::Tokio(task))
    }

    /// Ends it where it is.
    pub fn abort(&self) {
        match &self.0 {
            Kind::Tokio(task) => task.abort(),
            Kind::Hosted { abort, .. } => abort.abort(),
        }
    }
}

pub(super) fn spawn_on<T: Send + 'static>(host: &dyn Host, task: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let (tell, result) = oneshot::channel();
    // Nobody may be interested.
    let abort = host.spawn(Box::pin(async move { drop(tell.send(task.await)) }));
    Task(Kind::Hosted { result, abort })
}

impl<T> Future for Task<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Kind::Tokio(task) => Pin::new(task)
                .poll(context)
                .map(|result| result.map_err(|error| if error.is_panic() { Lost::Panicked } else { Lost::Ended })),
            Kind::Hosted { result, .. } => Pin::new(result).poll(context).map(|result| result.map_err(|_| Lost::Ended)),
        }
    }
}

/// Tasks that end with their owner.
#[derive(Debug, Default)]
pub struct Tasks(Vec<Task<()>>);

impl Tasks {
    /// Begins one.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(super::spawn(task));
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(Task::abort);
    }
}

//! Sleeping, and not waiting for longer than that.

use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    #[project = KindProjected]
    enum Kind {
        // Without a box: there are many of these.
        Tokio { #[pin] sleep: tokio::time::Sleep },
        Hosted { timer: Pin<Box<dyn quinn::AsyncTimer>> },
    }
}

pin_project! {
    /// Is done at its moment.
    pub struct Sleep {
        #[pin]
        kind: Kind,
    }
}

impl Sleep {
    pub(super) const fn tokio(sleep: tokio::time::Sleep) -> Self {
        Self { kind: Kind::Tokio { sleep } }
    }

    pub(super) const fn hosted(timer: Pin<Box<dyn quinn::AsyncTimer>>) -> Self {
        Self { kind: Kind::Hosted { timer } }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.project().kind.project() {
            KindProjected::Tokio { sleep } => sleep.poll(context),
            KindProjected::Hosted { timer } => timer.as_mut().poll(context),
        }
    }
}

/// What was waited for has not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it took too long")]
pub struct Elapsed;

pin_project! {
    /// Something that is waited for, and for how long.
    pub struct Timeout<F> {
        #[pin]
        sleep: Sleep,
        #[pin]
        what: F,
    }
}

impl<F> Timeout<F> {
    pub(super) const fn new(sleep: Sleep, what: F) -> Self {
        Self { sleep, what }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.what.poll(context) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => this.sleep.poll(context).map(|()| Err(Elapsed)),
        }
    }
}

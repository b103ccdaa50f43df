//! The messages of an answer, and the status after them.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use super::Call;

pin_project! {
    /// The body of an answer; the call's span ends with it.
    #[derive(Debug)]
    pub struct GrpcBody<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B> GrpcBody<B> {
    pub(super) const fn new(inner: B, call: Option<Call>) -> Self {
        Self { inner, call }
    }
}

impl<B: Default> Default for GrpcBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B: Body> Body for GrpcBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(call) = this.call else { return this.inner.poll_frame(task) };
        let mut inner = this.inner;
        let frame = ready!(call.exchange.run(|| inner.as_mut().poll_frame(task)));
        match &frame {
            Some(Ok(frame)) => match frame.trailers_ref().map(Status::from_header_map) {
                Some(Some(status)) => call.end(&status),
                Some(None) => call.fail("trailers without a status"),
                // Nobody asks for more.
                None if inner.is_end_stream() => call.fail("an answer without a status"),
                None => {}
            },
            Some(Err(_unreadable)) => call.fail("the answer broke off"),
            None => call.fail("an answer without a status"),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

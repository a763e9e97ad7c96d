//! A TCP connection that must begin to speak HTTP/2 in time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Bytes of HTTP/2's connection preface and the header of the frame behind it.
const HANDSHAKE_BYTES: usize = 24 + 9;

/// A stream that fails when the handshake takes too long. Afterwards
/// keep-alive pings find out whether the peer lives.
pub(super) struct Connection {
    stream: TcpStream,
    handshake: Option<Handshake>,
}

struct Handshake {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    /// A new connection.
    pub(super) fn new(stream: TcpStream, timeout: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(timeout));
        Self { stream, handshake: Some(Handshake { bytes_left: HANDSHAKE_BYTES, deadline }) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(handshake) = &mut self.handshake else {
            return polled;
        };
        let read = buf.filled().len() - before;
        handshake.bytes_left = handshake.bytes_left.saturating_sub(read);
        if handshake.bytes_left == 0 {
            self.handshake = None;
            return polled;
        }
        match (polled, handshake.deadline.as_mut().poll(cx)) {
            (Poll::Ready(outcome), _) => Poll::Ready(outcome),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            (Poll::Pending, Poll::Ready(())) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the HTTP/2 handshake took longer than server.handshake_timeout_ms",
            ))),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

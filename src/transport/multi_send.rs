//! Port of `org.apache.kafka.common.network.MultiSend`: several sends, one after another.

use std::collections::VecDeque;
use std::io;

use crate::common::step::step;
use crate::transport::send;
use crate::transport::transport_layer::TransportLayer;

/// Sends its children front to back, as far as the transport takes them.
///
/// A completed child is dropped at once, and with it the buffer or the file it held (Kafka kept all
/// of them until the last was done).
pub struct MultiSend {
    /// The sends that are left; only the first may be half sent, and none is complete.
    sends: VecDeque<Box<dyn send::Send>>,
    size: u64,
}

impl MultiSend {
    /// Takes the children in the order in which they leave.
    ///
    /// A child with nothing to send is dropped here, so that the last one in the queue is the one
    /// that ends the bytes: it alone is written without `more`.
    pub fn new(sends: Vec<Box<dyn send::Send>>) -> Self {
        let size = sends.iter().map(|send| send.size()).sum();
        Self { sends: sends.into_iter().filter(|send| !send.completed()).collect(), size }
    }
}

impl send::Send for MultiSend {
    fn size(&self) -> u64 {
        self.size
    }

    fn left(&self) -> u64 {
        self.sends.iter().map(|send| send.left()).sum()
    }

    fn completed(&self) -> bool {
        self.sends.is_empty()
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, more: bool) -> io::Result<()> {
        let _step = step!([16] "MultiSend.writeTo", "{} to go", self.sends.len());
        // ANCHOR: front_to_back
        let mut unfinished = self.sends.len();
        while let Some(current) = self.sends.front_mut() {
            current.write_to(transport, more || unfinished > 1)?;
            self.sends.pop_front();
            unfinished -= 1;
        }
        // ANCHOR_END: front_to_back
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory_transport::MemoryTransport;
    use crate::transport::send::{ByteBufferSend, Send};

    fn bytes(text: &str) -> Box<dyn send::Send> {
        Box::new(ByteBufferSend::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn children_leave_front_to_back_and_all_but_the_last_say_more() {
        let mut transport = MemoryTransport::unlimited();
        let inner = MultiSend::new(vec![bytes("b"), bytes("c")]);
        let mut send = MultiSend::new(vec![bytes("a"), Box::new(inner), bytes("d")]);
        assert_eq!(send.size(), 4);
        send.write_to(&mut transport, false).unwrap();
        assert_eq!(transport.written, b"abcd");
        assert_eq!(transport.more_flags, [true, true, true, false]);
    }

    #[test]
    fn an_empty_child_at_the_end_does_not_leave_a_promise_of_more() {
        let mut transport = MemoryTransport::unlimited();
        let nothing = MultiSend::new(vec![bytes("")]);
        let mut send = MultiSend::new(vec![bytes("head"), bytes(""), Box::new(nothing)]);
        send.write_to(&mut transport, false).unwrap();
        assert_eq!(transport.more_flags, [false]);
    }

    #[test]
    fn a_multi_send_without_children_is_complete() {
        let send = MultiSend::new(Vec::new());
        assert!(send.completed());
        assert_eq!(send.size(), 0);
    }

    #[test]
    fn completed_children_are_dropped_and_the_current_one_resumes() {
        let mut transport = MemoryTransport::taking(&[3, 1, 0, 1]);
        let mut send = MultiSend::new(vec![bytes("abc"), bytes("de")]);
        let error = send.write_to(&mut transport, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(send.sends.len(), 1);
        send.write_to(&mut transport, false).unwrap();
        assert!(send.completed());
        assert_eq!(send.size(), 5);
        assert_eq!(transport.written, b"abcde");
    }
}

//! Connections that fail on demand, and one that can hold its whole Processor: so that a test
//! decides what happens in one iteration of the reactor.

use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, mpsc};

use support::transports::{Call, Fault, Faulty, wrapping};
use transferto::common::metrics::Metrics;
use transferto::transport::channel_builder::ChannelBuilder;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Register,
    Read,
    Write,
    Deregister,
}

/// What one connection does, as its test tells it, at any time.
#[derive(Default)]
pub(crate) struct Script {
    failing: Mutex<Vec<Step>>,
    panicking: Mutex<Vec<Step>>,
    gate: Mutex<Option<Gate>>,
}

struct Gate {
    is_reached: Sender<()>,
    is_opened: Receiver<()>,
}

/// A Processor that stands at a gate; it goes on when this is dropped.
pub(crate) struct Held {
    _opener: Sender<()>,
}

impl Script {
    /// Makes `step` fail from now on.
    pub(crate) fn fail(&self, step: Step) {
        self.failing.lock().unwrap().push(step);
    }

    /// Makes `step` panic from now on.
    pub(crate) fn panic(&self, step: Step) {
        self.panicking.lock().unwrap().push(step);
    }

    /// Makes the next read wait, and with it the thread of the reactor. `cause_read` must bring the
    /// read about.
    pub(crate) fn hold(&self, cause_read: impl FnOnce()) -> Held {
        let (is_reached, reached) = mpsc::channel();
        let (opener, is_opened) = mpsc::channel();
        *self.gate.lock().unwrap() = Some(Gate { is_reached, is_opened });
        cause_read();
        reached.recv().unwrap();
        Held { _opener: opener }
    }

    fn check(&self, step: Step) -> io::Result<()> {
        let panics = self.panicking.lock().unwrap().contains(&step);
        assert!(!panics, "{step:?} panics because its test says so");
        match self.failing.lock().unwrap().contains(&step) {
            true => Err(io::Error::other(format!("{step:?} fails because its test says so"))),
            false => Ok(()),
        }
    }

    fn pass_gate(&self) {
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.is_reached.send(()).unwrap();
            // The gate opens when its opener is dropped, which is an error here.
            let _ = gate.is_opened.recv();
        }
    }
}

/// Gives `scripts` to the connections in the order in which they come; the rest play none.
pub(crate) fn playing(
    metrics: &Arc<Metrics>,
    scripts: Vec<Arc<Script>>,
) -> Arc<dyn ChannelBuilder> {
    wrapping(metrics, move |transport, number| {
        let script = usize::try_from(number).ok().and_then(|number| scripts.get(number));
        Faulty::boxed(transport, Playing(script.cloned().unwrap_or_default()))
    })
}

struct Playing(Arc<Script>);

impl Fault for Playing {
    fn allow(&mut self, call: Call, asked: usize) -> io::Result<usize> {
        let step = match call {
            Call::Read => Step::Read,
            Call::Write | Call::TransferFrom => Step::Write,
        };
        if step == Step::Read {
            self.0.pass_gate();
        }
        self.0.check(step).map(|()| asked)
    }

    fn registering(&mut self) -> io::Result<()> {
        self.0.check(Step::Register)
    }

    fn deregistered(&mut self) -> io::Result<()> {
        self.0.check(Step::Deregister)
    }
}

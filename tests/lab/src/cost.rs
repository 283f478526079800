//! What it takes to send some bytes: counted by the system for a whole process.

use std::fs;
use std::str::FromStr;
use std::time::Instant;

use bench::outcome::{Outcome, failed};
use bench::process::Server;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Bytes of a gigabyte, as all figures count.
const GB: f64 = 1e9;
/// `/proc` counts time in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    at: Instant,
    user_s: f64,
    system_s: f64,
    voluntary: f64,
    involuntary: f64,
    minor_faults: f64,
    major_faults: f64,
}

impl Usage {
    /// This process, all its threads.
    pub(crate) fn of_self() -> Outcome<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(Self {
            at: Instant::now(),
            user_s: seconds(usage.user_time()),
            system_s: seconds(usage.system_time()),
            voluntary: usage.voluntary_context_switches() as f64,
            involuntary: usage.involuntary_context_switches() as f64,
            minor_faults: usage.minor_page_faults() as f64,
            major_faults: usage.major_page_faults() as f64,
        })
    }

    /// Another process, all its threads that run.
    pub(crate) fn of(server: &Server) -> Outcome<Self> {
        let pid = server.pid();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // 42 (transferto) S 1 ..: the third field is the first behind the name.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
        let field = |number: usize| -> Outcome<f64> {
            match fields.get(number - 2) {
                Some(field) => Ok(field.parse()?),
                None => failed("a line of /proc is too short"),
            }
        };
        let (voluntary, involuntary) = context_switches(server)?;
        // The sum is exact, its parts are estimated by ticks.
        let cpu_s = server.cpu_ns()? as f64 / 1e9;
        let user_s = (field(14)? / TICKS_PER_SECOND).min(cpu_s);
        Ok(Self {
            at: Instant::now(),
            user_s,
            system_s: cpu_s - user_s,
            voluntary,
            involuntary,
            minor_faults: field(10)?,
            major_faults: field(12)?,
        })
    }

    /// What it took since then, for nothing yet.
    pub(crate) fn since(&self, before: &Self) -> Cost {
        Cost {
            wall_s: (self.at - before.at).as_secs_f64(),
            user_s: self.user_s - before.user_s,
            system_s: self.system_s - before.system_s,
            voluntary: self.voluntary - before.voluntary,
            involuntary: self.involuntary - before.involuntary,
            minor_faults: self.minor_faults - before.minor_faults,
            major_faults: self.major_faults - before.major_faults,
            ..Cost::default()
        }
    }
}

/// How often the threads have left their CPU: because they waited, and because others were to run.
fn context_switches(server: &Server) -> Outcome<(f64, f64)> {
    let (mut voluntary, mut involuntary) = (0.0, 0.0);
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid()))? {
        // A thread may have ended since it was listed.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
        for line in status.lines() {
            let Some((name, count)) = line.split_once(':') else { continue };
            match name {
                "voluntary_ctxt_switches" => voluntary += count.trim().parse::<f64>()?,
                "nonvoluntary_ctxt_switches" => involuntary += count.trim().parse::<f64>()?,
                _ => {}
            }
        }
    }
    Ok((voluntary, involuntary))
}

/// Writes the struct, and how it goes through a pipe, from one list of fields.
macro_rules! cost {
    ($($(#[doc = $doc:literal])* $name:ident,)+) => {
        /// What some transfers have taken, all of them together.
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct Cost {
            $($(#[doc = $doc])* pub(crate) $name: f64,)+
        }

        impl Cost {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// For [`from_str`](Self::from_str) in another process.
            pub(crate) fn line(&self) -> String {
                [$(self.$name.to_string(),)+].join(" ")
            }
        }

        impl FromStr for Cost {
            type Err = Box<dyn std::error::Error + Send + Sync>;

            fn from_str(line: &str) -> Outcome<Self> {
                let mut fields = line.split_whitespace();
                $(let Some($name) = fields.next() else { return failed("a cost is cut short") };)+
                Ok(Self { $($name: $name.parse()?,)+ })
            }
        }
    };
}

cost! {
    /// How often a file was sent, to all receivers.
    transfers,
    /// Bytes sent, to all receivers together.
    bytes,
    wall_s,
    user_s,
    system_s,
    /// Of the process that receives.
    receiver_cpu_s,
    /// System calls that send, as the sender counts them; not known of a broker.
    calls,
    /// Bytes that the sender's CPU has copied.
    copied_bytes,
    voluntary,
    involuntary,
    minor_faults,
    major_faults,
}

impl Cost {
    pub(crate) fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }

    pub(crate) fn gb_per_second(&self) -> f64 {
        self.bytes / GB / self.wall_s
    }

    pub(crate) fn ms_per_transfer(&self) -> f64 {
        self.wall_s * 1e3 / self.transfers
    }

    /// Whatever it is, for each gigabyte sent.
    pub(crate) fn per_gb(&self, amount: f64) -> f64 {
        amount / (self.bytes / GB)
    }
}

//! What the kernel says when it is asked for TLS.

use support::kernel_tls;
use transferto::transport::kernel_tls::KernelTls;

/// This runs everywhere: there is an answer, and it says what to do.
#[test]
fn a_probe_says_what_the_kernel_takes_or_why_it_takes_nothing() {
    let probed = KernelTls::probe().unwrap();
    let text = probed.to_string();
    eprintln!("{text}");
    match probed.refusal() {
        None => assert!(text.starts_with("TLSv1.3 with "), "{text}"),
        Some(refusal) => {
            assert!(!kernel_tls::is_required(), "KTLS=required, and the kernel says {text}");
            assert!(text.starts_with(&format!("{} gives ", refusal.option)), "{text}");
        }
    }
}

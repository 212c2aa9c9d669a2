//! A PROXY header: asking for exactly what belongs to it comes to the same result as having all, and takes nothing of
//! what follows.

use http1::proxy::{MAX_BYTES, Progress, parse};

/// Runs the target. Panics on a finding.
pub fn run(data: &[u8]) {
    let mut have = 0;
    let step_by_step = loop {
        match data.get(..have).map(parse) {
            Some(Ok(Progress::Needs(more))) => {
                assert!(more > 0 && have + more <= MAX_BYTES);
                have += more;
            }
            Some(done) => break Some(done),
            // It ended before its header did.
            None => break None,
        }
    };
    let at_once = parse(data);
    match step_by_step {
        None => assert!(!matches!(at_once, Ok(Progress::Whole(..)))),
        Some(Ok(whole)) => {
            assert_eq!(at_once, Ok(whole));
            assert!(matches!(whole, Progress::Whole(_, length) if length == have));
        }
        // With all at hand a mistake can show earlier, but it does show.
        Some(Err(_)) => assert!(at_once.is_err()),
    }
}

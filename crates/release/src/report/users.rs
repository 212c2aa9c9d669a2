//! How users fared on the new version, in the words that end a promotion wherever it is told.

use judge::figures::percent;
use model::colour::Colour;

/// `12,402 requests on green, 31 failed (0.25 %, limit 5 %)`. `limit`: the largest share of failures that was allowed, 0 to 1;
/// `number` writes numbers. `has_gap`: a gateway went, and with it what it had counted, so that there may have been more: `at least
/// 12,402 requests on green, at least 31 failed (limit 5 %)`.
#[must_use]
pub fn users_on(
    colour: Colour,
    requests: u64,
    failed: u64,
    limit: Option<f64>,
    has_gap: bool,
    number: impl Fn(u64) -> String,
) -> String {
    let allowed = limit.map_or("no limit".to_owned(), |limit| format!("limit {}", percent(limit)));
    if has_gap {
        let failed = match failed {
            0 => "no failure known".to_owned(),
            _ => format!("at least {} failed ({allowed})", number(failed)),
        };
        return format!("at least {} requests on {colour}, {failed}", number(requests));
    }
    if requests == 0 {
        return format!("no request on {colour}");
    }
    let requests_of = number(requests);
    if failed == 0 {
        return format!("{requests_of} requests on {colour}, none failed");
    }
    let rate = percent(failed as f64 / requests as f64);
    format!("{requests_of} requests on {colour}, {} failed ({rate}, {allowed})", number(failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_says_how_many_requests_failed_and_how_many_were_allowed() {
        let said = |requests, failed, limit| {
            users_on(Colour::Green, requests, failed, limit, false, |number| number.to_string())
        };
        assert_eq!(said(12_402, 31, Some(0.05)), "12402 requests on green, 31 failed (0.25 %, limit 5 %)");
        assert_eq!(said(40, 1, None), "40 requests on green, 1 failed (2.5 %, no limit)");
        assert_eq!(said(40, 0, Some(0.05)), "40 requests on green, none failed");
        assert_eq!(said(0, 0, None), "no request on green");
    }

    #[test]
    fn what_a_gateway_that_went_had_counted_is_not_taken_for_nothing() {
        let said = |requests, failed| {
            users_on(Colour::Green, requests, failed, Some(0.05), true, |number| number.to_string())
        };
        assert_eq!(said(411, 3), "at least 411 requests on green, at least 3 failed (limit 5 %)");
        assert_eq!(said(0, 0), "at least 0 requests on green, no failure known");
    }
}

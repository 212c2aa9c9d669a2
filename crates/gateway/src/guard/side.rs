//! The sum of the counters of one version, over all routes of its service.
//!
//! Of many series few change between two looks. Where everything has ended that began, nothing changes until the next request
//! begins; so of such a series only that is asked at a look (one load for each thread), and what it has counted stays in the
//! sum. The sum is exact at every look, and a request writes nothing for it.

use super::tallied::Tallied;
use std::sync::Arc;
use telemetry::series::Series;

/// The series of one version.
#[derive(Debug)]
pub(super) struct Side {
    parts: Vec<Part>,
    sum: Tallied,
}

/// One of them.
#[derive(Debug)]
struct Part {
    series: Arc<Series>,
    /// How many requests had begun when all of them had ended; `None`: some had not.
    settled_at: Option<u64>,
    /// What is in the sum. Apart, because most looks do not need it.
    counted: Box<Tallied>,
}

impl Side {
    /// Nothing of these is added up yet.
    pub(super) fn of<'a>(series: impl Iterator<Item = &'a Arc<Series>>) -> Side {
        let part = |series| Part { series: Arc::clone(series), settled_at: None, counted: Box::default() };
        Side { parts: series.map(part).collect(), sum: Tallied::default() }
    }

    /// What is counted now. `changed` is told which series may have been asked since the last look.
    pub(super) fn look(&mut self, changed: impl Fn(&Series)) -> Tallied {
        for part in &mut self.parts {
            if part.settled_at.is_some_and(|received| received == part.series.received()) {
                continue;
            }
            changed(&part.series);
            let counted = part.count();
            self.sum = self.sum.minus(&part.counted).plus(&counted);
            *part.counted = counted;
        }
        self.sum
    }
}

impl Part {
    /// Counts anew. Endings are read first and beginnings last: if they are as many, all of it is read after the last
    /// ending. What is seen already of a next request is counted again when its beginning is seen.
    fn count(&mut self) -> Tallied {
        let unjudged = self.series.unjudged();
        let counted = Tallied::of(&self.series);
        let received = self.series.received();
        let ended = counted.requests.saturating_add(unjudged);
        self.settled_at = (ended == received).then_some(received);
        counted
    }
}

#[cfg(test)]
mod tests;

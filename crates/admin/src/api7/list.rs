//! Which resources a flat list shows: `service_id`, `name`, `labels[k]=v`, `direction`, then one page.

use crate::api7::envelope;
use crate::resources::view::{self, Shown};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use axum::response::Response;
use model::resource::Kind;
use model::route::optional_id;
use model::upstream::labels;

/// Entries of a page that does not say how many it wants.
const DEFAULT_PAGE_SIZE: usize = 10;
/// Most entries of a page.
const LARGEST_PAGE_SIZE: usize = 500;

/// The answer to a GET of one, or of all.
pub(crate) async fn show(
    state: &AdminState,
    kind: Kind,
    id: Option<&str>,
    query: &Query,
) -> Result<Response, Problem> {
    match id {
        Some(id) => Ok(envelope::one(&view::one(state, kind, id).await?.ok_or(Problem::KeyNotFound)?)),
        None => Ok(answer(&view::all(state, kind).await?, query)),
    }
}

/// The answer to a GET of all of these.
pub(crate) fn answer(all: &[Shown], query: &Query) -> Response {
    let mut selected: Vec<&Shown> = all.iter().filter(|shown| holds(shown, query)).collect();
    if query.get("direction") == Some("desc") {
        selected.reverse();
    }
    let page: Vec<_> = page(&selected, query).iter().map(|shown| envelope::flat(shown)).collect();
    envelope::list(&page, selected.len())
}

fn holds(shown: &Shown, query: &Query) -> bool {
    let name = shown.value.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
    let labels = labels(&shown.value);
    query.iter().all(|(argument, wanted)| match argument {
        "service_id" => optional_id(&shown.value, "service_id").as_deref() == Some(wanted),
        "name" | "search" => name.contains(wanted),
        argument => match argument.strip_prefix("labels[").and_then(|rest| rest.strip_suffix(']')) {
            Some(label) => labels.get(label).is_some_and(|value| value == wanted),
            None => true,
        },
    })
}

fn page<'a, T>(all: &'a [T], query: &Query) -> &'a [T] {
    let number = |argument| query.get(argument).map(|text| text.parse::<usize>().unwrap_or(0));
    let (page, size) = (number("page"), number("page_size"));
    if page.is_none() && size.is_none() {
        return all;
    }
    let size = size.unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, LARGEST_PAGE_SIZE);
    let start = (page.unwrap_or(1).max(1) - 1).saturating_mul(size).min(all.len());
    all.get(start..start.saturating_add(size).min(all.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_when_either_argument_is_there() {
        let all: Vec<u32> = (0..25).collect();
        let cut = |query: &str| page(&all, &Query::parse(query)).to_vec();
        assert_eq!(cut("").len(), 25);
        assert_eq!(cut("page=3"), all[20..]);
        assert_eq!(cut("page_size=3"), all[..3]);
        assert_eq!(cut("page=2&page_size=20"), all[20..]);
        assert_eq!(cut("page=9&page_size=20"), [0_u32; 0]);
        assert_eq!(cut("page=x&page_size=y"), all[..1]);
    }
}

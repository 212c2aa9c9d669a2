//! Two answers of strangers, and a place that is not compared: the lines of the input, the third of which has all the rest.

use gateway::shadow::compare::{Answer, Comparison, Head, MAX_DIFFERENCES, Terms, compare};
use model::traffic_split::JsonPath;

/// Runs the target. Panics on a finding.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (Some(ignored), Some(one), Some(two)) = (lines.next(), lines.next(), lines.next()) else { return };
    let path = std::str::from_utf8(ignored).ok().and_then(|text| JsonPath::parse(text).ok());
    let terms = Terms { ignore: path.into_iter().collect(), shows_values: true, ..Terms::default() };
    let there = bodies(one, two, &terms);
    let back = bodies(two, one, &terms);
    assert_eq!(there.is_same(), back.is_same(), "both ways");
    assert_eq!(there.left_out, back.left_out, "both ways");
    assert!(there.differences.len() <= MAX_DIFFERENCES);
    assert!(bodies(one, one, &terms).is_same(), "with itself");
    told_places_can_be_ignored(&there, terms, one, two);
}

fn bodies(one: &[u8], two: &[u8], terms: &Terms) -> Comparison {
    let head = Head { status: 200, media_type: Some("application/json".to_owned()), ..Head::default() };
    compare(Answer { head: &head, body: Ok(one) }, Answer { head: &head, body: Ok(two) }, terms)
}

/// What is told of JSON can be pasted into what is ignored, unless it was too long to be told whole.
fn told_places_can_be_ignored(found: &Comparison, mut terms: Terms, one: &[u8], two: &[u8]) {
    let places = found.differences.iter().map(|one| one.place.as_str());
    let Ok(told) = places.map(JsonPath::parse).collect::<Result<Vec<_>, _>>() else { return };
    if !found.is_cut && found.left_out.is_none() {
        terms.ignore.extend(told);
        let left = bodies(one, two, &terms);
        assert!(left.is_same(), "{left:?} is left of {found:?}");
    }
}

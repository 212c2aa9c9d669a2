//! The query of a URI, read as nginx reads it: `+` and `%XX` decoded, the first value of a repeated name counts.

use axum::http::Uri;
use percent_encoding::percent_decode_str;

/// Most arguments that are looked at, as in OpenResty; further ones are ignored.
const MOST_ARGUMENTS: usize = 100;

/// Names and values in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Query {
        Query::parse(uri.query().unwrap_or_default())
    }

    /// Also used for the value of `filter`, which is a query inside a query.
    pub(crate) fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(MOST_ARGUMENTS);
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Query { pairs: pairs.collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_decoded_and_the_first_of_a_name_counts() {
        let query = Query::of(&"/x?a=1&a=2&b=c%20d+e&flag&bad=%ff%zz&=".parse().unwrap());
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), Some("c d e"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("bad"), Some("\u{fffd}%zz"));
        assert_eq!(query.get("none"), None);
    }

    #[test]
    fn a_filter_is_a_query_inside_the_query() {
        let outer = Query::of(&"/x?filter=service_id%3D1%26upstream_id%3D2".parse().unwrap());
        let inner = Query::parse(outer.get("filter").unwrap());
        assert_eq!(inner.iter().collect::<Vec<_>>(), [("service_id", "1"), ("upstream_id", "2")]);
    }
}

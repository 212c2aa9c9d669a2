//! JSON pointers (RFC 6901), and how they are shown to a person.

use std::fmt::Write as _;

/// Escapes one reference token (RFC 6901 §3).
#[must_use]
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// The unescaped reference tokens of a pointer.
pub fn tokens(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// The pointer of what holds the node at a pointer, and the unescaped last token; `None` for the whole document.
#[must_use]
pub fn split(pointer: &str) -> Option<(&str, String)> {
    Some((pointer.rsplit_once('/')?.0, tokens(pointer).last()?))
}

/// Whether a pointer leads to the node at `outer`, or below it.
#[must_use]
pub fn is_within(pointer: &str, outer: &str) -> bool {
    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `/routes/0/plugins/traffic-split` as `routes[0].plugins.traffic-split`; the whole document is empty.
#[must_use]
pub fn to_field(pointer: &str) -> String {
    let mut field = String::new();
    for token in tokens(pointer) {
        let plain = token.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let result = match (token.parse::<usize>(), plain) {
            (Ok(index), _) => write!(field, "[{index}]"),
            (Err(_), true) if field.is_empty() => write!(field, "{token}"),
            (Err(_), true) => write!(field, ".{token}"),
            (Err(_), false) => write!(field, "[\"{token}\"]"),
        };
        if result.is_err() {
            break;
        }
    }
    field
}

/// The pointer of a path as `serde_path_to_error` records it.
#[must_use]
pub fn of_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => escape(key),
            Segment::Enum { variant } => escape(variant),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_as_a_person_would_write_it() {
        assert_eq!(to_field("/routes/0/plugins/traffic-split"), "routes[0].plugins.traffic-split");
        assert_eq!(to_field("/upstreams/2/nodes/127.0.0.1:80"), "upstreams[2].nodes[\"127.0.0.1:80\"]");
        assert_eq!(to_field(""), "");
    }

    #[test]
    fn tokens_undo_escape() {
        let pointer = format!("/{}/{}", escape("a/b~c"), escape("d"));
        assert_eq!(tokens(&pointer).collect::<Vec<_>>(), ["a/b~c", "d"]);
        assert_eq!(split("/x/a~1b~0c"), Some(("/x", "a/b~c".to_owned())));
        assert_eq!(split(""), None);
    }

    #[test]
    fn what_is_below_a_node_is_within_it_and_a_longer_name_is_not() {
        let within = ["/a/b", "/a/b/c", "/a/bc", "/a"].map(|pointer| is_within(pointer, "/a/b"));
        assert_eq!((within, is_within("/a", "")), ([true, true, false, false], true));
    }
}

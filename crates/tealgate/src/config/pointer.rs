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
    }
}

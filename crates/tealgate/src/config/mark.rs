//! Lines and columns of a document's nodes, as a tree beside its value.

use crate::config::pointer;
use saphyr::Marker;
use serde_json::Value;

/// A place in a text file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Default for Position {
    fn default() -> Self {
        Position { line: 1, column: 1 }
    }
}

impl Position {
    /// The parser counts lines from 1 and columns from 0.
    #[must_use]
    pub fn of(marker: Marker) -> Position {
        Position { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// Where a node stands, and its children in the order of the value's.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// Where the node begins; for an entry of a mapping, where its key does.
    pub position: Position,
    /// The marks of the items of an array or of the entries of an object.
    pub children: Vec<Mark>,
}

impl Mark {
    /// Follows a JSON pointer as far as it leads.
    #[must_use]
    pub fn find(&self, value: &Value, pointer: &str) -> Position {
        let (mut mark, mut value) = (self, value);
        for token in pointer::tokens(pointer) {
            let next = match value {
                Value::Array(items) => token.parse::<usize>().ok().and_then(|at| Some((at, items.get(at)?))),
                Value::Object(map) => map
                    .iter()
                    .enumerate()
                    .find_map(|(at, (key, value))| if *key == token { Some((at, value)) } else { None }),
                _ => None,
            };
            let Some((child, below)) = next.and_then(|(at, below)| Some((mark.children.get(at)?, below)))
            else {
                break;
            };
            (mark, value) = (child, below);
        }
        mark.position
    }
}

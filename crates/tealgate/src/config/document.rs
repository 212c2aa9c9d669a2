//! YAML text → JSON value, with the line and column of every node.
//!
//! Built on the parser's events rather than on its loader, because only here can bounds be put before what they
//! bound: depth, number of nodes, and what aliases expand to. Knows nothing of what the document means.

use crate::config::mark::{Mark, Position};
use crate::config::pointer::escape;
use saphyr::{Scalar, ScalarStyle, Tag};
use saphyr_parser::{Event, Parser, Span};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Deepest nesting of mappings and sequences.
pub const MAX_DEPTH: usize = 64;
/// Most nodes of a document, what aliases expand to included.
pub const MAX_NODES: usize = 2_000_000;

/// A document as JSON, and where each part of it stands.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The content; an empty document is `null`.
    pub value: Value,
    marks: Mark,
}

/// Why a text is no usable YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Where.
    pub position: Position,
    /// The place as a JSON pointer, as far as it is known.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Document {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// The first syntax error, or all repeated keys.
    pub fn parse(text: &str) -> Result<Document, Vec<DocumentError>> {
        if let Some(error) = unprintable(text) {
            return Err(vec![error]);
        }
        let mut builder = Builder::default();
        for step in Parser::new_from_str(text) {
            let (event, span) = step.map_err(|error| vec![syntax_error(&error)])?;
            builder.take(event, span).map_err(|error| vec![*error])?;
        }
        if !builder.repeated_keys.is_empty() {
            return Err(builder.repeated_keys);
        }
        let (value, marks) = builder.root.unwrap_or_default();
        Ok(Document { value, marks })
    }

    /// Where the node at this JSON pointer (RFC 6901) stands; for a node that does not exist, where the nearest one
    /// around it does. A mapping's entry stands where its key does.
    #[must_use]
    pub fn position(&self, pointer: &str) -> Position {
        self.marks.find(&self.value, pointer)
    }
}

type Node = (Value, Mark);
type Step = Result<(), Box<DocumentError>>;

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    repeated_keys: Vec<DocumentError>,
}

/// A mapping or a sequence that has begun and not ended.
struct Open {
    anchor: usize,
    position: Position,
    first_node: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Value>, Vec<Mark>),
    Mapping { map: Map<String, Value>, marks: Vec<Mark>, key: Option<(String, Position)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let position = Position::of(span.start);
        match event {
            Event::DocumentStart(_) => self.begin_document(position),
            Event::SequenceStart(anchor, tag) => {
                self.begin(anchor, position, tag.as_deref(), Content::Sequence(Vec::new(), Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping { map: Map::new(), marks: Vec::new(), key: None };
                self.begin(anchor, position, tag.as_deref(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text, style, anchor, tag.as_ref(), position)
            }
            Event::Alias(anchor) => self.alias(anchor, position),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin_document(&mut self, position: Position) -> Step {
        self.documents += 1;
        if self.documents > 1 {
            return Err(self.error(
                position,
                "a second document begins here",
                "write everything in one document",
            ));
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, position: Position, tag: Option<&Tag>, content: Content) -> Step {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            return Err(self.unknown_tag(tag, position));
        }
        if self.open.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(self.error(position, &message, "flatten the document"));
        }
        self.expects_a_scalar_key(position)?;
        self.count(1, position)?;
        self.open.push(Open { anchor, position, first_node: self.nodes, content });
        Ok(())
    }

    fn end(&mut self) -> Step {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let size = self.nodes - open.first_node + 1;
        let node = match open.content {
            Content::Sequence(items, marks) => {
                (Value::Array(items), Mark { position: open.position, children: marks })
            }
            Content::Mapping { map, marks, .. } => {
                (Value::Object(map), Mark { position: open.position, children: marks })
            }
        };
        self.place(open.anchor, size, node)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Cow<'_, Tag>>,
        position: Position,
    ) -> Step {
        if let Some(Open { content: Content::Mapping { key: key @ None, .. }, .. }) = self.open.last_mut() {
            *key = Some((text.into_owned(), position));
            return Ok(());
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            return Err(self.unknown_tag(tag, position));
        }
        self.count(1, position)?;
        let scalar = Scalar::parse_from_cow_and_metadata(text.clone(), style, tag);
        let Some(value) = scalar.and_then(scalar_value) else {
            let message = format!("`{}` cannot be read as its type", excerpt(&text));
            return Err(self.error(position, &message, "put it in quotes to make it a text"));
        };
        self.place(anchor, 1, (value, Mark { position, children: Vec::new() }))
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Step {
        self.expects_a_scalar_key(position)?;
        let Some((_, size)) = self.anchors.get(&anchor) else {
            return Err(self.error(position, "this alias stands inside its own anchor", ""));
        };
        self.count(*size, position)?;
        match self.anchors.get(&anchor).cloned() {
            Some((node, size)) => self.place(0, size, node),
            None => Ok(()),
        }
    }

    /// Puts a complete node where it belongs.
    fn place(&mut self, anchor: usize, size: usize, node: Node) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let repeated = match self.open.last_mut().map(|open| &mut open.content) {
            None => {
                self.root = Some(node);
                None
            }
            Some(Content::Sequence(items, marks)) => {
                items.push(node.0);
                marks.push(node.1);
                None
            }
            Some(Content::Mapping { map, marks, key }) => match key.take() {
                None => None,
                Some((key, position)) if map.contains_key(&key) => Some((key, position)),
                Some((key, position)) => {
                    map.insert(key, node.0);
                    marks.push(Mark { position, children: node.1.children });
                    None
                }
            },
        };
        if let Some((key, position)) = repeated {
            let message = format!("the key `{}` appears twice", excerpt(&key));
            let mut error = *self.error(position, &message, "keep one of them");
            error.pointer = format!("{}/{}", error.pointer, escape(&key));
            self.repeated_keys.push(error);
        }
        Ok(())
    }

    fn expects_a_scalar_key(&self, position: Position) -> Step {
        match self.open.last() {
            Some(Open { content: Content::Mapping { key: None, .. }, .. }) => {
                Err(self.error(position, "a key must be a plain text", ""))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, position: Position) -> Step {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, what aliases stand for included");
            return Err(self.error(
                position,
                &message,
                "use fewer aliases, or the Admin API for so many resources",
            ));
        }
        Ok(())
    }

    fn unknown_tag(&self, tag: &Tag, position: Position) -> Box<DocumentError> {
        let message = format!("the tag `{}{}` is not supported", excerpt(&tag.handle), excerpt(&tag.suffix));
        self.error(position, &message, "remove it")
    }

    /// The pointer of the node that is being read.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for open in &self.open {
            match &open.content {
                Content::Sequence(items, _) => pointer.push_str(&format!("/{}", items.len())),
                Content::Mapping { key: Some((key, _)), .. } => {
                    pointer.push_str(&format!("/{}", escape(key)))
                }
                Content::Mapping { key: None, .. } => {}
            }
        }
        pointer
    }

    fn error(&self, position: Position, message: &str, hint: &str) -> Box<DocumentError> {
        let (message, hint) = (message.to_owned(), hint.to_owned());
        Box::new(DocumentError { position, pointer: self.pointer(), message, hint })
    }
}

fn scalar_value(scalar: Scalar<'_>) -> Option<Value> {
    match scalar {
        Scalar::Null => Some(Value::Null),
        Scalar::Boolean(flag) => Some(Value::Bool(flag)),
        Scalar::Integer(number) => Some(Value::Number(number.into())),
        Scalar::FloatingPoint(number) => Number::from_f64(number.into_inner()).map(Value::Number),
        Scalar::String(text) => Some(Value::String(text.into_owned())),
    }
}

/// The first character that may stand nowhere in a YAML text, not even in quotes (YAML 1.2.2, rules 1 and 2). The parser
/// takes a NUL for the end of the text, and so would silently leave out what follows it.
fn unprintable(text: &str) -> Option<DocumentError> {
    let forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
    let (at, character) = text.char_indices().find(|(_, c)| forbidden(*c))?;
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(DocumentError {
        position: Position { line, column },
        pointer: String::new(),
        message: format!("not valid YAML: the character U+{:04X} must not be in it", u32::from(character)),
        hint: "remove it, or write it as an escape in a text in double quotes".to_owned(),
    })
}

fn syntax_error(error: &saphyr::ScanError) -> DocumentError {
    DocumentError {
        position: Position::of(*error.marker()),
        pointer: String::new(),
        message: format!("not valid YAML: {}", error.info()),
        hint: "look at the indentation and the quotes at and before this line".to_owned(),
    }
}

/// The beginning of a text, for messages.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;

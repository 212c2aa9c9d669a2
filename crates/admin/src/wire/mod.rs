//! Between bytes and values: query and path, the lenient JSON reader, request bodies, JSON responses, and the one
//! table in which errors become responses.

pub(crate) mod body;
pub(crate) mod json;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod reply;

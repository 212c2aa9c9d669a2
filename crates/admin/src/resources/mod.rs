//! Reading and writing resources, the same for both dialects: the effective view, the checks, the commit, the wait.
//!
//! Of HTTP it knows only the refusals of `wire::problem` and the two headers of [`Progress`].

mod advice;
pub(crate) mod merge;
mod owned;
pub(crate) mod references;
pub(crate) mod remove;
pub(crate) mod secrets;
mod times;
pub(crate) mod view;
pub(crate) mod write;

use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::http::HeaderValue;
use axum::response::Response;
use model::resource::{Kind, Revision};

/// A hidden field of a stored value: when the resource ends (`?ttl=`), milliseconds since the Unix epoch.
pub(crate) const EXPIRES_AT_MS: &str = "_expires_at_ms";

/// The refusal to change what the configuration file says.
fn read_only(kind: Kind, id: &str) -> Problem {
    let kind = kind.singular();
    Problem::Invalid(format!("{kind} [{id}] comes from the configuration file; change it there"))
}

/// How far a write has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// The revision that holds it.
    pub(crate) revision: Revision,
    /// Whether a live gateway thread may still run something older.
    pub(crate) is_pending: bool,
}

impl Progress {
    /// Stored, and nobody was asked yet.
    fn pending(revision: Revision) -> Progress {
        Progress { revision, is_pending: true }
    }

    /// Says it in the headers of the answer.
    pub(crate) fn mark(self, mut response: Response) -> Response {
        response.headers_mut().insert(reply::REVISION, HeaderValue::from(self.revision));
        if self.is_pending {
            response.headers_mut().insert(reply::APPLIED, HeaderValue::from_static("pending"));
        }
        response
    }
}

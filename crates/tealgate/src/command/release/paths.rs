//! The paths of the release API.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What may not stand in a path segment (RFC 3986 §3.3).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// All apps.
pub(crate) const APPS: &str = "/tealgate/v1/apps";

/// The releases of an app.
pub(crate) fn releases(app: &str) -> String {
    format!("{APPS}/{}/releases", segment(app))
}

/// One release.
pub(super) fn release(app: &str, id: &str) -> String {
    format!("{}/{}", releases(app), segment(id))
}

/// The way back after the commit.
pub(super) fn rollback(app: &str) -> String {
    format!("{APPS}/{}/rollback", segment(app))
}

/// The events of an app from now on.
pub(super) fn events(app: &str) -> String {
    format!("/tealgate/v1/events?app={}", segment(app))
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(release("a/../b", "1?x"), "/tealgate/v1/apps/a%2F..%2Fb/releases/1%3Fx");
    }
}

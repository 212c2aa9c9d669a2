//! The path below a prefix, cut into decoded segments.

use percent_encoding::percent_decode_str;

/// The non-empty segments after `prefix`, percent-decoded. Decoding comes after cutting, so that an encoded slash
/// stays inside its segment.
pub(crate) fn segments(path: &str, prefix: &str) -> Vec<String> {
    let below = path.strip_prefix(prefix).unwrap_or_default();
    let segments = below.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_cut_before_they_are_decoded() {
        let cut = segments("/apisix/admin/routes/a%20b//plugins/x%2Fy/", "/apisix/admin");
        assert_eq!(cut, ["routes", "a b", "plugins", "x/y"]);
        assert!(segments("/apisix/admin", "/apisix/admin").is_empty());
    }
}

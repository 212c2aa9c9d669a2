//! A self-signed certificate for `localhost`, as files.

use std::path::Path;

/// Writes `cert.pem` and `key.pem`.
pub(crate) fn write(directory: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

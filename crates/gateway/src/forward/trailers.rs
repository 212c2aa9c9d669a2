//! Trailer fields on their way between the two protocols: among the bytes of the last chunk (HTTP/1), or as fields
//! beside the body (HTTP/2). What must not be a trailer was dropped where they were read.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http1::{BodyDecoder, write};

/// Writes the last chunk with the trailers, whichever way they came.
pub(super) fn write_last_chunk(out: &mut Vec<u8>, decoder: &BodyDecoder, beside: Option<&HeaderMap>) {
    let beside = beside.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_bytes()));
    write::last_chunk(out, decoder.trailers().chain(beside));
}

/// The trailers of a chunked body, as fields; `None` if there are none.
pub(super) fn of_chunks(decoder: &BodyDecoder) -> Option<Box<HeaderMap>> {
    let mut trailers = None::<Box<HeaderMap>>;
    for (name, value) in decoder.trailers() {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            trailers.get_or_insert_default().append(name, value);
        }
    }
    trailers
}

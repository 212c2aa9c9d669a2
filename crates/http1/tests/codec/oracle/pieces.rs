//! What comes of bytes that arrive in pieces, as something that can be compared.

use http1::{BodyDecoder, BodyError, Framing, Limits, Parsed, RequestHead, ResponseHead, Step};

/// The outcome of a head that has not ended.
#[allow(dead_code, reason = "for the fuzz targets")]
pub(crate) const PARTIAL: &str = "Ok(None)";

/// Feeds ever longer prefixes, ending with the whole, until there is an outcome.
fn fed<T, E>(
    input: &[u8],
    ends: &[usize],
    mut parse: impl FnMut(&[u8]) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut ends = ends.to_vec();
    ends.sort_unstable();
    for end in ends {
        if let Some(outcome) = parse(&input[..end])? {
            return Ok(Some(outcome));
        }
    }
    parse(input)
}

fn described<'a>(headers: impl Iterator<Item = http1::Header<'a>>) -> Vec<(String, Vec<u8>)> {
    headers.map(|header| (header.name.to_owned(), header.value.to_owned())).collect()
}

pub(crate) fn request_outcome(input: &[u8], ends: &[usize], limits: &Limits) -> String {
    let mut head = RequestHead::default();
    let outcome = fed(input, ends, |prefix| match head.parse(prefix, limits)? {
        Parsed::Complete { consumed } => Ok(Some(consumed)),
        Parsed::Partial => Ok::<_, http1::RequestError>(None),
    });
    match outcome {
        Ok(Some(_)) => {
            let line =
                (head.method(), head.path(), head.query(), head.host(), head.framing(), head.keep_alive());
            format!("{outcome:?} {line:?} {:?}", described(head.headers()))
        }
        other => format!("{other:?}"),
    }
}

pub(crate) fn response_outcome(input: &[u8], ends: &[usize], limits: &Limits) -> String {
    let mut head = ResponseHead::default();
    let outcome = fed(input, ends, |prefix| match head.parse(prefix, limits)? {
        Parsed::Complete { consumed } => Ok(Some(consumed)),
        Parsed::Partial => Ok::<_, http1::ResponseError>(None),
    });
    match outcome {
        Ok(Some(_)) => {
            let line = (head.status(), head.reason(), head.framing("GET"), head.keep_alive());
            format!("{outcome:?} {line:?} {:?}", described(head.headers()))
        }
        other => format!("{other:?}"),
    }
}

pub(crate) type Decoded = (Vec<u8>, usize, Vec<(String, Vec<u8>)>);

/// Decodes a stream that arrives in the given pieces; content is kept until the error or the end.
pub(crate) fn body_outcome(
    framing: Framing,
    input: &[u8],
    ends: &[usize],
    limits: &Limits,
) -> Result<Decoded, BodyError> {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut ends = [ends, &[input.len()]].concat();
    ends.sort_unstable();
    let (mut content, mut at) = (Vec::new(), 0);
    for end in ends {
        while at < end {
            let step = decoder.decode(&input[at..end])?;
            if let Step::Data { skip, len } = step {
                content.extend_from_slice(&input[at + skip..at + skip + len]);
            }
            at += step.consumed();
            if let Step::End { .. } = step {
                let trailers =
                    decoder.trailers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                return Ok((content, at, trailers));
            }
        }
    }
    decoder.eof()?;
    Ok((content, at, Vec::new()))
}

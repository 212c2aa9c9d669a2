//! What a client sends beside its requests, counted: a connection that is mostly SETTINGS, PING, PRIORITY, WINDOW_UPDATE
//! or RST_STREAM costs work and asks for nothing (CVE-2019-9512, -9513, -9515; CVE-2023-44487).
//!
//! The crate that speaks HTTP/2 bounds what such frames can make it *hold*; this bounds what they can make it *do*. It
//! follows the frames' headers as the bytes come by (RFC 9113, section 4.1). A frame has a price; requests, content in
//! both directions and time pay it back; who owes more than the burst is told to be calm. Of what the frames hold, only
//! the beginning of trailers is looked at: that crate drops pseudo-header fields there, which are malformed
//! ([`super::trailers`]).

use super::pieces::Pieces;
use super::trailers::Beginning;

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 9;
/// The client's preface, which precedes the first frame (RFC 9113, section 3.4).
const PREFACE_BYTES: u32 = 24;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// The price of a stream that is reset as soon as it is opened, by a client that does little else; what had to be done for
/// it is many times that of a PING, and the bound on open streams does not hold it up (CVE-2023-44487).
const RAPID_RESET_PRICE: u32 = 10;
/// The price of any other: what its request has paid. A client whose calls run out of time while an upstream is down
/// resets all of them, and does nothing wrong.
const RESET_PRICE: u32 = REQUEST_PAYS;
/// Streams after which the count of them, and of those that were reset young, is halved.
const STREAMS_REMEMBERED: u32 = 512;
/// What a request pays back.
const REQUEST_PAYS: u32 = 2;
/// What a piece of an answer pays back: for each a client may give leave for more, on its stream and on the connection,
/// and ask how far we are. Those of gRPC do, however small the message.
const PIECE_PAYS: u32 = 4;
/// So many bytes of content pay back one unit.
const CONTENT_PER_UNIT: usize = 512;
/// What a tick (100 ms) pays back.
const TICK_PAYS: u32 = 50;
/// So many bytes of a control frame cost one unit more.
const PAYLOAD_PER_UNIT: u32 = 256;

/// What is wrong with the frames so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The first frame is not SETTINGS (RFC 9113, section 3.4).
    NoSettings,
    /// Trailers with a pseudo-header field (RFC 9113, section 8.1).
    PseudoTrailer,
    /// Far larger trailers than may be.
    LargeTrailers,
    /// More control frames than the burst allows.
    Flood,
}

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    header: [u8; HEADER_BYTES],
    header_len: usize,
    payload_left: u32,
    sent: Pieces,
    has_begun: bool,
    /// Between the HEADERS of a request and the end of its fields.
    in_fields: bool,
    /// The highest stream so far.
    last_stream: u32,
    /// The beginning of the trailers that are being read.
    trailers: Option<Beginning>,
    /// Bytes of their block so far, where the block of fields that came last is one of trailers.
    trailer_block: Option<u32>,
    max_trailer_block: u32,
    /// The highest stream that was opened before the last tick, and before the one before that.
    opened_before: [u32; 2],
    /// Streams that were opened lately.
    opened: u32,
    /// Those of them that were reset young.
    reset_young: u32,
    owed: u32,
    burst: u32,
    tick: u64,
}

impl Meter {
    /// Follows a connection from its preface; `burst` is what it may owe, and `max_trailer_block` the bytes that the block of
    /// trailers may have.
    pub(super) fn new(burst: u32, max_trailer_block: u32) -> Meter {
        Meter {
            header: [0; HEADER_BYTES],
            header_len: 0,
            payload_left: PREFACE_BYTES,
            sent: Pieces::default(),
            has_begun: false,
            in_fields: false,
            last_stream: 0,
            trailers: None,
            trailer_block: None,
            max_trailer_block,
            opened_before: [0; 2],
            opened: 0,
            reset_young: 0,
            owed: 0,
            burst,
            tick: 0,
        }
    }

    /// Whether a head has begun and not ended, or the client has yet to say its settings.
    pub(super) fn in_head(&self) -> bool {
        self.in_fields || !self.has_begun
    }

    /// Takes the next bytes that the client sent, in tick `now`.
    pub(super) fn received(&mut self, mut bytes: &[u8], now: u64) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let count = bytes.len().min(self.payload_left as usize);
                let (payload, rest) = bytes.split_at_checked(count).unwrap_or_default();
                self.payload_left -= count as u32;
                bytes = rest;
                self.look_at_trailers(payload)?;
                continue;
            }
            let space = self.header.get_mut(self.header_len..).unwrap_or_default();
            let count = bytes.len().min(space.len());
            let (taken, rest) = bytes.split_at_checked(count).unwrap_or_default();
            space.get_mut(..count).unwrap_or_default().copy_from_slice(taken);
            self.header_len += count;
            bytes = rest;
            if self.header_len == HEADER_BYTES {
                self.header_len = 0;
                self.frame(now)?;
            }
        }
        Ok(())
    }

    /// Takes the next bytes that are sent to the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let mut units = 0;
        self.sent.count(bytes, |length| units += PIECE_PAYS as usize + length / CONTENT_PER_UNIT);
        self.pay(units);
    }

    /// Looks at the payload of a frame, if it is the beginning of trailers.
    fn look_at_trailers(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Some(beginning) = &mut self.trailers else { return Ok(()) };
        match beginning.is_pseudo(payload) {
            Some(true) => return Err(Fault::PseudoTrailer),
            None if self.payload_left > 0 => {}
            Some(false) | None => self.trailers = None,
        }
        Ok(())
    }

    /// So many bytes more of a block of fields.
    fn add_to_trailers(&mut self, length: u32) -> Result<(), Fault> {
        let Some(bytes) = &mut self.trailer_block else { return Ok(()) };
        *bytes = bytes.saturating_add(length);
        if *bytes > self.max_trailer_block { Err(Fault::LargeTrailers) } else { Ok(()) }
    }

    fn pay(&mut self, units: usize) {
        self.owed = self.owed.saturating_sub(u32::try_from(units).unwrap_or(u32::MAX));
    }

    /// A frame's header is whole.
    fn frame(&mut self, now: u64) -> Result<(), Fault> {
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let stream = u32::from_be_bytes(stream) & 0x7FFF_FFFF;
        self.payload_left = length;
        self.pass(now);
        if !self.has_begun && kind != SETTINGS {
            return Err(Fault::NoSettings);
        }
        self.has_begun = true;
        let price = match kind {
            HEADERS => {
                self.in_fields = flags & END_HEADERS == 0;
                if stream > self.last_stream {
                    self.trailer_block = None;
                    self.open(stream);
                } else {
                    self.trailer_block = Some(0);
                    self.trailers = Some(Beginning::new(flags & PADDED != 0, flags & WITH_PRIORITY != 0));
                }
                self.pay(REQUEST_PAYS as usize);
                return self.add_to_trailers(length);
            }
            DATA if length > 0 || flags & END_STREAM != 0 => {
                self.pay(length as usize / CONTENT_PER_UNIT);
                return Ok(());
            }
            CONTINUATION => {
                self.in_fields = flags & END_HEADERS == 0;
                self.add_to_trailers(length)?;
                1
            }
            RST_STREAM => self.price_of_reset(stream),
            _ => 1,
        };
        self.owed = self.owed.saturating_add(price + length / PAYLOAD_PER_UNIT);
        if self.owed > self.burst { Err(Fault::Flood) } else { Ok(()) }
    }

    /// Time has passed up to tick `now`.
    fn pass(&mut self, now: u64) {
        let Some(passed) = now.checked_sub(self.tick).filter(|passed| *passed > 0) else { return };
        let ticks = u32::try_from(passed).unwrap_or(u32::MAX);
        self.owed = self.owed.saturating_sub(ticks.saturating_mul(TICK_PAYS));
        let [last, _] = self.opened_before;
        self.opened_before = [self.last_stream, if passed > 1 { self.last_stream } else { last }];
        self.tick = now;
    }

    /// A stream is opened.
    fn open(&mut self, stream: u32) {
        self.last_stream = stream;
        self.opened += 1;
        if self.opened == STREAMS_REMEMBERED {
            (self.opened, self.reset_young) = (self.opened / 2, self.reset_young / 2);
        }
    }

    /// A stream is reset. It is young if not a whole tick lies between.
    fn price_of_reset(&mut self, stream: u32) -> u32 {
        let [_, before] = self.opened_before;
        if stream <= before {
            return RESET_PRICE;
        }
        self.reset_young = self.reset_young.saturating_add(1);
        let are_most = self.reset_young > self.opened / 2;
        if are_most { RAPID_RESET_PRICE } else { RESET_PRICE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRIORITY: u8 = 0x2;
    const PING: u8 = 0x6;

    fn frame(kind: u8, flags: u8, length: u32) -> Vec<u8> {
        frame_of(1, kind, flags, length)
    }

    fn frame_of(stream: u32, kind: u8, flags: u8, length: u32) -> Vec<u8> {
        let [_, high, middle, low] = length.to_be_bytes();
        let mut frame = [&[high, middle, low, kind, flags][..], &stream.to_be_bytes()].concat();
        frame.resize(HEADER_BYTES + length as usize, 0);
        frame
    }

    /// A meter behind the preface and the first SETTINGS, with a burst of ten.
    fn begun() -> Meter {
        let mut meter = Meter::new(11, 20_000);
        meter.received(&[0; PREFACE_BYTES as usize], 0).unwrap();
        meter.received(&frame(SETTINGS, 0, 0), 0).unwrap();
        meter
    }

    #[test]
    fn a_connection_begins_with_settings() {
        let mut meter = Meter::new(10, 0);
        assert!(meter.in_head());
        meter.received(&[0; PREFACE_BYTES as usize], 0).unwrap();
        assert_eq!(meter.received(&frame(PING, 0, 8), 0), Err(Fault::NoSettings));
        assert!(!begun().in_head());
    }

    #[test]
    fn control_frames_beyond_the_burst_are_a_flood() {
        for kind in [PRIORITY, SETTINGS, PING, 0x8, 0x55] {
            let mut meter = begun();
            for _ in 0..10 {
                assert_eq!(meter.received(&frame(kind, 0, 8), 0), Ok(()));
            }
            assert_eq!(meter.received(&frame(kind, 0, 8), 0), Err(Fault::Flood), "{kind}");
        }
        assert_eq!(
            begun().received(&frame(0x55, 0, 3_000), 0),
            Err(Fault::Flood),
            "long unknown frames cost more"
        );
        assert_eq!(
            begun().received(&frame(DATA, 0, 0).repeat(11), 0),
            Err(Fault::Flood),
            "and so do empty ones"
        );
    }

    #[test]
    fn a_rapid_reset_costs_more_than_its_request_pays() {
        let mut meter = begun();
        let pair = [frame(HEADERS, END_HEADERS | END_STREAM, 4), frame(RST_STREAM, 0, 4)].concat();
        assert_eq!(meter.received(&pair, 0), Ok(()));
        assert_eq!(meter.received(&pair, 0), Err(Fault::Flood));
    }

    fn request(number: u32) -> Vec<u8> {
        frame_of(2 * number + 1, HEADERS, END_HEADERS | END_STREAM, 4)
    }

    fn reset(number: u32) -> Vec<u8> {
        frame_of(2 * number + 1, RST_STREAM, 0, 4)
    }

    #[test]
    fn a_client_may_give_up_all_its_calls_when_their_time_is_over() {
        let mut meter = Meter { burst: 200, ..begun() };
        for round in 0..1_000 {
            for call in 0..100 {
                assert_eq!(meter.received(&request(100 * round + call), 3 * u64::from(round)), Ok(()));
            }
            for call in 0..100 {
                let now = 3 * u64::from(round) + 2;
                assert_eq!(meter.received(&reset(100 * round + call), now), Ok(()), "{round}.{call}");
            }
        }
    }

    #[test]
    fn a_client_may_change_its_mind_at_once_about_less_than_half_of_its_calls() {
        let mut meter = begun();
        for call in 0..10_000 {
            let calls =
                [request(3 * call), request(3 * call + 1), request(3 * call + 2), reset(3 * call + 2)];
            assert_eq!(meter.received(&calls.concat(), 0), Ok(()), "{call}");
        }
    }

    #[test]
    fn a_good_past_pays_for_few_rapid_resets() {
        for (before, tick) in [(0, 1), (100_000, 1), (100_000, 10)] {
            let mut meter = Meter { burst: 1_000, ..begun() };
            for call in 0..before {
                assert_eq!(meter.received(&request(call), u64::from(call)), Ok(()));
            }
            let now = u64::from(before) + tick;
            let floods = |call: &u32| meter.received(&[request(*call), reset(*call)].concat(), now).is_err();
            let passed = (before..).find(floods).unwrap() - before;
            assert!((120..1_000).contains(&passed), "{passed}");
        }
    }

    #[test]
    fn resets_of_one_old_stream_are_a_flood_all_the_same() {
        let mut meter = Meter { burst: 1_000, ..begun() };
        meter.received(&request(0), 0).unwrap();
        assert_eq!(meter.received(&reset(0).repeat(10_000), 10), Err(Fault::Flood));
    }

    #[test]
    fn requests_content_and_time_pay_back() {
        let mut meter = begun();
        for _ in 0..100 {
            let turn =
                [frame(HEADERS, END_HEADERS, 4), frame(PING, 0, 8), frame(DATA, END_STREAM, 0)].concat();
            assert_eq!(meter.received(&turn, 0), Ok(()));
            assert_eq!(meter.received(&[frame(DATA, 0, 512), frame(0x8, 0, 4)].concat(), 0), Ok(()));
            meter.sent(&frame(DATA, 0, 1_024));
            assert_eq!(meter.received(&frame(0x8, 0, 4).repeat(6), 0), Ok(()));
        }
        for now in 1..100 {
            assert_eq!(meter.received(&frame(PING, 0, 8).repeat(10), now), Ok(()));
        }
    }

    #[test]
    fn a_client_may_say_four_things_for_each_small_piece_of_an_answer() {
        let mut meter = begun();
        for _ in 0..1_000 {
            meter.sent(&[frame(HEADERS, 0, 9), frame(DATA, 0, 8), frame(PING, 1, 8)].concat());
            let turn = [frame(0x8, 0, 4).repeat(3), frame(PING, 0, 8)].concat();
            assert_eq!(meter.received(&turn, 0), Ok(()));
        }
        let all_pass = (0..20).all(|_| {
            meter.sent(&frame(PING, 1, 8));
            meter.received(&frame(PING, 0, 8), 0).is_ok()
        });
        assert!(!all_pass, "what answers a PING pays for none");
    }

    #[test]
    fn trailers_may_be_so_large_and_heads_are_not_looked_at() {
        let mut meter = Meter { burst: 1_000, ..begun() };
        let mut pass = |frames: &[Vec<u8>]| meter.received(&frames.concat(), 0);
        assert_eq!(pass(&[frame(HEADERS, 0, 16_000), frame(CONTINUATION, END_HEADERS, 16_000)]), Ok(()));
        assert_eq!(pass(&[frame(HEADERS, 0, 16_000), frame(CONTINUATION, END_HEADERS, 4_000)]), Ok(()));
        assert_eq!(pass(&[frame_of(3, HEADERS, 0, 16_000)]), Ok(()));
        assert_eq!(pass(&[frame_of(3, CONTINUATION, END_HEADERS, 16_000)]), Ok(()));
        assert_eq!(pass(&[frame(HEADERS, 0, 16_000)]), Ok(()));
        assert_eq!(pass(&[frame(CONTINUATION, 0, 4_001)]), Err(Fault::LargeTrailers));
    }

    #[test]
    fn a_head_lasts_until_its_fields_end() {
        let mut meter = begun();
        meter.received(&frame(HEADERS, END_STREAM, 4), 0).unwrap();
        assert!(meter.in_head());
        meter.received(&frame(CONTINUATION, 0, 4), 0).unwrap();
        assert!(meter.in_head());
        meter.received(&frame(CONTINUATION, END_HEADERS, 4), 0).unwrap();
        assert!(!meter.in_head());
    }

    proptest! {
        #[test]
        fn what_is_found_does_not_depend_on_how_the_bytes_are_cut(
            kinds in prop::collection::vec((0u8..11, any::<u8>(), 0u32..300), 0..20),
            cut in 1usize..40,
        ) {
            let frames: Vec<u8> = kinds.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let (mut whole, mut pieces) = (begun(), begun());
            let found = whole.received(&frames, 0);
            let in_pieces = frames.chunks(cut).try_for_each(|piece| pieces.received(piece, 0));
            prop_assert_eq!(found, in_pieces);
            prop_assert_eq!((whole.owed, whole.in_head()), (pieces.owed, pieces.in_head()));
        }
    }
}

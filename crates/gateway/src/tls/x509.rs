//! The few fields of a certificate that are shown or watched: subject, serial number, validity (RFC 5280, section 4.1).
//!
//! Whether a certificate is good is for webpki to say; this only reads what one says of itself.

use super::der::{BMP_STRING, GENERALIZED_TIME, INTEGER, OID, Reader, SEQUENCE, SET, UTC_TIME, VERSION};
use jiff::civil::date;
use jiff::tz::TimeZone;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Its subject as RFC 2253 writes it, the last part first: `CN=a,O=b`.
    pub(crate) subject: String,
    /// Its issuer, likewise.
    pub(crate) issuer: String,
    /// Its serial number, hexadecimal, upper case.
    pub(crate) serial: String,
    /// Since when it is valid, seconds since the Unix epoch.
    pub(crate) not_before_s: i64,
    /// Until when it is valid, seconds since the Unix epoch.
    pub(crate) not_after_s: i64,
}

/// Reads a certificate; `None` if it is none.
pub(crate) fn read(certificate: &[u8]) -> Option<Fields> {
    let mut outer = Reader(Reader(certificate).expect(SEQUENCE)?);
    let mut fields = Reader(outer.expect(SEQUENCE)?);
    fields.skip_if(VERSION);
    let serial = fields.expect(INTEGER)?;
    fields.expect(SEQUENCE)?;
    let issuer = name(fields.expect(SEQUENCE)?)?;
    let mut validity = Reader(fields.expect(SEQUENCE)?);
    let (not_before_s, not_after_s) = (time(validity.next()?)?, time(validity.next()?)?);
    let subject = name(fields.expect(SEQUENCE)?)?;
    let serial = serial.iter().skip_while(|byte| **byte == 0).map(|byte| format!("{byte:02X}")).collect();
    Some(Fields { subject, issuer, serial, not_before_s, not_after_s })
}

/// The public key of a certificate of any version: the whole element (`SubjectPublicKeyInfo`). `None` if it is no certificate.
pub(crate) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader(Reader(certificate).expect(SEQUENCE)?);
    let mut fields = Reader(outer.expect(SEQUENCE)?);
    fields.skip_if(VERSION);
    fields.expect(INTEGER)?;
    // The signature's algorithm, the issuer, the validity, the subject.
    for _ in 0..4 {
        fields.expect(SEQUENCE)?;
    }
    let before = fields.0;
    fields.expect(SEQUENCE)?;
    before.get(..before.len() - fields.0.len())
}

/// A distinguished name (RFC 2253, section 2).
fn name(content: &[u8]) -> Option<String> {
    let mut sets = Reader(content);
    let mut parts = Vec::new();
    while !sets.0.is_empty() {
        let mut attributes = Reader(sets.expect(SET)?);
        let mut part = Vec::new();
        while !attributes.0.is_empty() {
            let mut attribute = Reader(attributes.expect(SEQUENCE)?);
            let kind = attribute_name(attribute.expect(OID)?);
            let (tag, value) = attribute.next()?;
            part.push(format!("{kind}={}", escaped(&text(tag, value))));
        }
        parts.push(part.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// The short name of an attribute, or its number.
fn attribute_name(oid: &[u8]) -> String {
    let short = match oid {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x04] => "SN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "street",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x0c] => "title",
        [0x55, 0x04, 0x2a] => "GN",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        _ => return dotted(oid),
    };
    short.to_owned()
}

fn dotted(oid: &[u8]) -> String {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first);
                number -= first * 40;
            }
            numbers.push(std::mem::take(&mut number));
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

fn text(tag: u8, value: &[u8]) -> String {
    if tag != BMP_STRING {
        return String::from_utf8_lossy(value).into_owned();
    }
    let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let at_an_edge =
            (place == 0 && character == '#') || ((place == 0 || place == last) && character == ' ');
        if character.is_control() {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("\\{byte:02X}")));
            continue;
        }
        if special || at_an_edge {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A time of a certificate (RFC 5280, section 4.1.2.5): always UTC, with seconds.
fn time((tag, content): (u8, &[u8])) -> Option<i64> {
    let digits = std::str::from_utf8(content.strip_suffix(b"Z")?).ok()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let day = date(1970, 1, 1).with().year(year).month(part(0)?).day(part(2)?).build().ok()?;
    let moment = day.to_datetime(jiff::civil::Time::new(part(4)?, part(6)?, part(8)?, 0).ok()?);
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{
        CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData, SerialNumber, date_time_ymd,
    };

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, "DE");
        subject.push(DnType::OrganizationName, "Tea, Gate & Co");
        subject.push(DnType::CommonName, " käse+#");
        params.distinguished_name = subject;
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xbc, 0x00]));
        params.not_before = date_time_ymd(2020, 2, 29);
        params.not_after = date_time_ymd(2050, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_read_as_openssl_shows_it() {
        let fields = read(&certificate()).unwrap();
        assert_eq!(fields.subject, "CN=\\ käse\\+#,O=Tea\\, Gate & Co,C=DE");
        assert_eq!(fields.issuer, fields.subject);
        assert_eq!(fields.serial, "0ABC00");
        // One is written as UTCTime, the other as GeneralizedTime.
        assert_eq!((fields.not_before_s, fields.not_after_s), (1_582_934_400, 2_524_608_000));
    }

    #[test]
    fn the_key_of_a_certificate_is_found_behind_the_rest() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(public_key(certificate.der()), Some(&*key.subject_public_key_info()));
        assert_eq!(public_key(b"no certificate"), None);
    }

    #[test]
    fn an_attribute_without_a_short_name_is_a_number() {
        assert_eq!(dotted(&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37]), "1.3.6.1.4.1.311");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (read(&bytes), public_key(&bytes));
        }

        #[test]
        fn no_change_of_a_certificate_makes_the_reader_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut certificate = certificate();
            let at = at.index(certificate.len());
            certificate[at] = byte;
            for certificate in [&certificate[..], &certificate[..at]] {
                let _ = (read(certificate), public_key(certificate));
            }
        }
    }
}

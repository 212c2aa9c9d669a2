//! What types cannot say about the settings: ranges, and listeners that are in each other's way.

use crate::config::resources;
use crate::config::settings::Settings;
use crate::config::typed::{self, Finding};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

/// Reads the settings and checks them; what is wrong is added to the findings.
pub fn parse(value: &Value, findings: &mut Vec<Finding>) -> Option<Settings> {
    let parsed = typed::parse::<Settings>(value, &resources::COLLECTIONS, &[]);
    let mut of_meaning = Vec::new();
    if let Some(settings) = &parsed.value {
        check(settings, &mut of_meaning);
    }
    // Where something was taken out, what is left stands elsewhere in the file.
    let placed = of_meaning
        .into_iter()
        .filter_map(|one| Some(Finding { pointer: parsed.place(&one.pointer)?, ..one }));
    findings.extend(placed);
    findings.extend(parsed.findings);
    parsed.value
}

/// Checks ranges and listeners; also used after command-line flags were laid over the file.
pub fn check(settings: &Settings, findings: &mut Vec<Finding>) {
    let mut wrong = |pointer: String, message: String, hint: &str| {
        findings.push(Finding { pointer, message, hint: hint.to_owned() });
    };
    if settings.threads.is_some_and(|threads| !(1..=256).contains(&threads)) {
        wrong("/threads".to_owned(), "must be 1 to 256".to_owned(), "leave it out for one thread per core");
    }
    for (field, message) in settings.limits.out_of_range() {
        wrong(format!("/limits/{field}"), message.to_owned(), "");
    }
    for (field, message) in settings.upstream_http2.out_of_range() {
        wrong(format!("/upstream_http2/{field}"), message.to_owned(), "");
    }
    if settings.dns.valid_ms == 0 {
        wrong("/dns/valid_ms".to_owned(), "must be at least 1".to_owned(), "");
    }
    if settings.retry_budget.percent > 1_000 {
        wrong("/retry_budget/percent".to_owned(), "must be 0 to 1000".to_owned(), "");
    }
    for (field, blocks) in
        [("/admin/allow", &settings.admin.allow), ("/trusted_addresses", &settings.trusted_addresses)]
    {
        for (index, block) in blocks.iter().enumerate().filter(|(_, block)| !is_address_block(block)) {
            let message = format!("`{block}` is no address and no CIDR block");
            wrong(format!("{field}/{index}"), message, "write 10.0.0.1, 10.0.0.0/8 or ::1/128");
        }
    }
    let proxies = &settings.proxy_protocol;
    if settings.trusted_addresses.is_empty()
        && !(proxies.listen.0.is_empty() && proxies.tls_listen.0.is_empty())
    {
        let message = "nobody may send PROXY headers: there are no `trusted_addresses`".to_owned();
        wrong("/proxy_protocol".to_owned(), message, "name the proxies there");
    }
    if !is_header_name(&settings.real_ip_header) {
        let message = format!("`{}` is no name of a header", settings.real_ip_header);
        wrong("/real_ip_header".to_owned(), message, "write X-Forwarded-For or X-Real-IP, for example");
    }
    let listeners = listeners(settings);
    for (index, (pointer, address)) in listeners.iter().enumerate() {
        let before = listeners.iter().take(index).find(|(_, other)| collide(*address, *other));
        if let Some((other, _)) = before {
            let other = crate::config::pointer::to_field(other);
            wrong(pointer.clone(), format!("{address} is already taken by `{other}`"), "choose another port");
        }
    }
}

/// All listening addresses with their places.
fn listeners(settings: &Settings) -> Vec<(String, SocketAddr)> {
    let gateway =
        of_gateway("/listen", &settings.listen.0).chain(of_gateway("/tls_listen", &settings.tls_listen.0));
    let proxies = &settings.proxy_protocol;
    let gateway = gateway
        .chain(of_gateway("/proxy_protocol/listen", &proxies.listen.0))
        .chain(of_gateway("/proxy_protocol/tls_listen", &proxies.tls_listen.0));
    let admin = [("/admin/listen", settings.admin.listen), ("/admin/tls_listen", settings.admin.tls_listen)];
    let admin =
        admin.into_iter().filter_map(|(pointer, listen)| Some((pointer.to_owned(), listen.address()?)));
    gateway.chain(admin).collect()
}

/// One or several addresses under one field.
fn of_gateway<'a>(
    field: &'a str,
    addresses: &'a [SocketAddr],
) -> impl Iterator<Item = (String, SocketAddr)> + 'a {
    let many = addresses.len() > 1;
    addresses.iter().enumerate().map(move |(index, address)| {
        (if many { format!("{field}/{index}") } else { field.to_owned() }, *address)
    })
}

/// Whether two listeners cannot both be bound. Port 0 is a free one each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let any = |address: SocketAddr| address.ip().is_unspecified();
    let same_family = a.is_ipv4() == b.is_ipv4();
    let both = (any(a) || any(b)) && (same_family || (any(a) && a.is_ipv6()) || (any(b) && b.is_ipv6()));
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || both)
}

/// A token (RFC 9110, section 5.6.2).
fn is_header_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

/// `10.0.0.1`, `10.0.0.0/8`, `::1`, `fe80::/10`.
fn is_address_block(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match length {
        None => true,
        Some(length) => length.parse::<u8>().is_ok_and(|length| length <= longest),
    }
}

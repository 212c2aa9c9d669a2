//! The variables of a request, by APISIX's and nginx's names (APISIX §2.3).

use crate::assignment::Cookies;
use crate::request::Request;
use crate::table::Route;
use model::expr::eval::{Variable, Variables};
use std::borrow::Cow;

/// The variables of one request.
pub(crate) struct RequestVariables<'a> {
    /// The request.
    pub(crate) request: &'a Request<'a>,
    /// The route that it belongs to, once it is known.
    pub(crate) route: Option<&'a Route>,
}

impl Variables for RequestVariables<'_> {
    fn get(&self, name: &str) -> Option<Variable<'_>> {
        self.value(name)
    }
}

impl Cookies for RequestVariables<'_> {
    fn cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.request.cookies(name)
    }
}

impl<'a> RequestVariables<'a> {
    /// A variable as text.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        match self.value(name)? {
            Variable::Text(text) => Some(text),
            Variable::Bool(value) => Some(value.to_string().into()),
            Variable::Number(value) => Some(value.to_string().into()),
            Variable::List(_) => None,
        }
    }

    fn value(&self, name: &str) -> Option<Variable<'a>> {
        if let Some(header) = name.strip_prefix("http_") {
            return self.header(header).map(Variable::Text);
        }
        if let Some(argument) = name.strip_prefix("arg_") {
            return self.argument(argument);
        }
        if let Some(cookie) = name.strip_prefix("cookie_") {
            return self.request.cookie(cookie).map(|value| Variable::Text(value.into()));
        }
        self.plain(name).map(Variable::Text)
    }

    /// `http_x_my_header` and `http_x-my-header` are the same.
    fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let same = |header: &str| {
            header.len() == name.len()
                && header
                    .bytes()
                    .zip(name.bytes())
                    .all(|(a, b)| a.eq_ignore_ascii_case(&b) || (a == b'-' && b == b'_'))
        };
        if same("host") {
            return Some(self.request.authority().into());
        }
        let value = self.request.head.headers().find(|header| same(header.name))?.value;
        Some(String::from_utf8_lossy(value))
    }

    /// The first value of a query argument; one without `=` is true.
    pub(crate) fn argument(&self, name: &str) -> Option<Variable<'a>> {
        let pairs = self.request.query?.split('&');
        for pair in pairs {
            let (key, value) = match pair.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (pair, None),
            };
            if decoded(key) == name {
                return Some(value.map_or(Variable::Bool(true), |value| Variable::Text(decoded(value))));
            }
        }
        None
    }

    fn plain(&self, name: &str) -> Option<Cow<'a, str>> {
        let request = self.request;
        let route = self.route;
        let header = |name: &str| request.head.header(name).map(String::from_utf8_lossy);
        Some(match name {
            "uri" => String::from_utf8_lossy(request.path()),
            "request_uri" => request.normalised_uri().into(),
            "real_request_uri" => request.head.target().into(),
            "method" | "request_method" => request.head.method().into(),
            "host" => request.host().into(),
            "http_host" => request.authority().into(),
            "scheme" => request.connection.scheme.into(),
            "server_protocol" => request.head.version().name().into(),
            "server_port" => request.connection.local.port().to_string().into(),
            "server_addr" => request.connection.local.ip().to_canonical().to_string().into(),
            "remote_addr" => request.client_text().into(),
            "remote_port" => request.connection.peer.port().to_string().into(),
            "args" | "query_string" => request.query.unwrap_or_default().into(),
            "is_args" => if request.query.is_some() { "?" } else { "" }.into(),
            "content_type" => header("content-type")?,
            "content_length" => header("content-length")?,
            "route_id" => route?.id.as_str().into(),
            "route_name" => route?.name.as_str().into(),
            "service_id" => route?.service.as_str().into(),
            "service_name" => route?.service_name.as_str().into(),
            "consumer_name" => request.consumer_name()?.into(),
            _ if name.starts_with("ssl_") => request.connection.tls.as_ref()?.variable(name)?.into(),
            _ => request.run.as_ref()?.variable(name)?.into(),
        })
    }
}

/// Percent-decoded, `+` as a blank, as a query argument is.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let blanks = text.replace('+', " ");
    percent_encoding::percent_decode_str(&blanks).decode_utf8_lossy().into_owned().into()
}

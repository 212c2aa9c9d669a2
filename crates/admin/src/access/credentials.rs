//! Where a request carries its key: query `api_key`, header `X-API-KEY`, cookie `x_api_key`, in APISIX's order; then
//! `Authorization: Bearer`, and on the API7 listener HTTP Basic with the key as the password.

use crate::state::Dialect;
use crate::wire::query::Query;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, COOKIE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A key as it was presented; with HTTP Basic also whose it is said to be. Never printed.
pub(crate) struct Presented {
    pub(crate) key: String,
    pub(crate) user: Option<String>,
}

/// The first key that the request carries; an empty one counts as none.
pub(crate) fn of(request: &Request, dialect: Dialect) -> Option<Presented> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let query = Query::of(request.uri());
    let plain = query
        .get("api_key")
        .or_else(|| header("x-api-key"))
        .or_else(|| header(COOKIE.as_str()).and_then(|cookies| cookie(cookies, "x_api_key")))
        .or_else(|| scheme(header(AUTHORIZATION.as_str())?, "bearer"));
    if let Some(key) = plain.filter(|key| !key.is_empty()) {
        return Some(Presented { key: key.to_owned(), user: None });
    }
    if dialect == Dialect::Apisix {
        return None;
    }
    let pair = STANDARD.decode(scheme(header(AUTHORIZATION.as_str())?, "basic")?).ok()?;
    let (user, key) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some(Presented { key: key.to_owned(), user: Some(user.to_owned()) })
}

/// The credentials of an `Authorization` header (RFC 9110 §11.4) of this scheme.
fn scheme<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    let (scheme, credentials) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| credentials.trim())
}

fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    cookies.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn presented(dialect: Dialect, uri: &str, headers: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        of(&request.body(Body::empty()).unwrap(), dialect).map(|found| (found.key, found.user))
    }

    #[test]
    fn the_key_is_looked_up_in_apisixs_order() {
        let all =
            [("x-api-key", "header"), ("cookie", "a=b; x_api_key=cookie"), ("authorization", "Bearer token")];
        let found = |uri, headers: &[_]| presented(Dialect::Apisix, uri, headers).map(|found| found.0);
        assert_eq!(found("/?api_key=query", &all).as_deref(), Some("query"));
        assert_eq!(found("/", &all).as_deref(), Some("header"));
        assert_eq!(found("/", &all[1..]).as_deref(), Some("cookie"));
        assert_eq!(found("/", &all[2..]).as_deref(), Some("token"));
        assert_eq!(found("/", &[]), None);
        assert_eq!(found("/", &[("x-api-key", "")]), None);
    }

    #[test]
    fn http_basic_is_for_the_api7_listener_only() {
        let basic = [("authorization", "Basic YWRtaW46c2VjcmV0")];
        let found = presented(Dialect::Api7, "/", &basic);
        assert_eq!(found, Some(("secret".to_owned(), Some("admin".to_owned()))));
        assert_eq!(presented(Dialect::Apisix, "/", &basic), None);
        assert_eq!(presented(Dialect::Api7, "/", &[("authorization", "Basic %%%")]), None);
    }
}

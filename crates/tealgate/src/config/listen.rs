//! Listening addresses as they are written: `IP:PORT`, a list of them, or `off`.

use schemars::JsonSchema;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// `IP:PORT` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Listen {
    /// Not at all.
    Off,
    /// There. Port 0 is any free one.
    At(SocketAddr),
}

impl Listen {
    /// A port on 127.0.0.1.
    #[must_use]
    pub fn loopback(port: u16) -> Listen {
        Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// The address, unless it is off.
    #[must_use]
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Listen::Off => None,
            Listen::At(address) => Some(address),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Listen::Off);
        }
        address(text).map(Listen::At).map_err(|error| format!("{error}, or `off`"))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Off => f.write_str("off"),
            Listen::At(address) => address.fmt(f),
        }
    }
}

/// Reads `IP:PORT`.
///
/// # Errors
/// A text that says what is expected.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is no address to listen on: write IP:PORT, for example 127.0.0.1:9080 or [::]:9080")
    })
}

/// One address or a list of them; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "Vec<String>")]
pub struct Listeners(pub Vec<SocketAddr>);

impl Default for Listeners {
    fn default() -> Self {
        Listeners(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9080))])
    }
}

/// As [`Listeners`], or `off`, which is empty and the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "Vec<String>")]
pub struct FurtherListeners(pub Vec<SocketAddr>);

impl<'de> Deserialize<'de> for FurtherListeners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(ListenersVisitor { may_be_off: true })
            .map(|listeners| FurtherListeners(listeners.0))
    }
}

impl<'de> Deserialize<'de> for Listeners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenersVisitor { may_be_off: false })
    }
}

struct ListenersVisitor {
    may_be_off: bool,
}

impl<'de> Visitor<'de> for ListenersVisitor {
    type Value = Listeners;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.may_be_off {
            "IP:PORT, a list of them, or `off`"
        } else {
            "IP:PORT or a list of them"
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Listeners, E> {
        if self.may_be_off && text == "off" {
            return Ok(Listeners(Vec::new()));
        }
        Ok(Listeners(vec![address(text).map_err(E::custom)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Listeners, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            addresses.push(address(&text).map_err(A::Error::custom)?);
        }
        if addresses.is_empty() {
            return Err(A::Error::custom("the list is empty: name at least one address"));
        }
        Ok(Listeners(addresses))
    }
}

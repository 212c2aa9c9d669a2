//! The two environments of an app, and the labels by which the gateway knows an upstream's colour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Label of an upstream: the app that it belongs to.
pub const LABEL_APP: &str = "tealgate.app";
/// Label of an upstream: which of the app's two environments it is, `blue` or `green`.
pub const LABEL_COLOUR: &str = "tealgate.colour";
/// Label of an upstream: the version that runs in the environment.
pub const LABEL_VERSION: &str = "tealgate.version";
/// Label of an upstream or a route: how long a stream may stay after traffic has left it, in milliseconds. The route's
/// beats the upstream's.
pub const LABEL_DRAIN_TIMEOUT_MS: &str = "tealgate.drain_timeout_ms";
/// Label of a route: how long a whole request may take, in milliseconds, instead of what the setting says; 0: no limit.
pub const LABEL_TOTAL_TIMEOUT_MS: &str = "tealgate.total_timeout_ms";
/// Label of an http or https upstream: `h2` speaks HTTP/2 with its nodes; to https ones if they choose it, too.
pub const LABEL_PROTOCOL: &str = "tealgate.protocol";

/// Label of an upstream: how long the share of a node that comes up grows, in milliseconds.
pub const LABEL_SLOW_START_MS: &str = "tealgate.slow_start_ms";

/// One of an app's two environments. The colours swap roles with each release: *live* and *idle* say who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// The environment that is live before an app's first switch.
    Blue,
    /// The other one.
    Green,
}

impl Colour {
    /// Both, in a fixed order.
    pub const BOTH: [Colour; 2] = [Colour::Blue, Colour::Green];

    /// The environment that is not this one.
    #[must_use]
    pub fn other(self) -> Colour {
        match self {
            Colour::Blue => Colour::Green,
            Colour::Green => Colour::Blue,
        }
    }

    /// `blue` or `green`, as in labels, file names and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Colour::Blue => "blue",
            Colour::Green => "green",
        }
    }

    /// Reads a label's value; anything but `blue` and `green` is no colour.
    #[must_use]
    pub fn parse(text: &str) -> Option<Colour> {
        Colour::BOTH.into_iter().find(|colour| colour.name() == text)
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The id of the upstream that stands for one environment of an app: `shop-blue`.
#[must_use]
pub fn upstream_id(app: &str, colour: Colour) -> String {
    format!("{app}-{colour}")
}

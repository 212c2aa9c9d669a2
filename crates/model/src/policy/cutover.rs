//! How the switch treats users and requests: who stays with which colour while both serve, and who waits while the
//! share moves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest time that requests may be held, milliseconds.
pub const MAX_HOLD_MS: u64 = 30_000;

/// Users are assigned to a colour and stay there: who saw the new version at 10 % sees it at 50 %.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// By what a user is known.
    pub by: StickyBy,
    /// Name of the header, or of the cookie (default: `tealgate_` and the app's id). Not for `consumer` and `address`.
    #[serde(default)]
    pub name: String,
    /// How long a cookie is kept, milliseconds; whole seconds of it. Only for `cookie`.
    #[serde(default = "cookie_lifetime_ms")]
    pub lifetime_ms: u64,
}

/// By what a user is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickyBy {
    /// A signed cookie that the gateway issues with the first answer.
    Cookie,
    /// The value of a header; without it, the address.
    Header,
    /// The name of the authenticated consumer; without one, the address.
    Consumer,
    /// The client's address; of an IPv6 address its first 64 bits.
    Address,
}

impl StickyBy {
    /// The word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StickyBy::Cookie => "cookie",
            StickyBy::Header => "header",
            StickyBy::Consumer => "consumer",
            StickyBy::Address => "address",
        }
    }
}

/// Requests that come while the share moves wait until the old colour has finished those that were under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// Which requests wait.
    pub requests: HeldRequests,
    /// How long they wait at most, milliseconds, 1 to 30,000. Beyond it they go on to the old colour, and the share has
    /// not moved.
    #[schemars(range(min = 1, max = 30000))]
    pub budget_ms: u64,
    /// How many may wait in one gateway; further ones do not wait.
    #[schemars(range(min = 1))]
    pub max_requests: u32,
    /// How much memory may wait with them in one gateway, bytes; further ones do not wait.
    #[schemars(range(min = 1))]
    pub max_bytes: u64,
    /// How often one move of the share is tried before the release goes back, 1 to 10.
    #[schemars(range(min = 1, max = 10))]
    pub tries: u32,
}

impl Default for Hold {
    fn default() -> Self {
        Hold {
            requests: HeldRequests::None,
            budget_ms: 500,
            max_requests: 10_000,
            max_bytes: 128 * 1024 * 1024,
            tries: 3,
        }
    }
}

/// Which requests wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldRequests {
    /// None.
    #[default]
    None,
    /// Those whose method may change something: all but GET, HEAD, OPTIONS and TRACE (RFC 9110, section 9.2.1).
    Writes,
    /// All. Never those that ask for a WebSocket.
    All,
}

impl HeldRequests {
    /// Whether a request with this method waits.
    #[must_use]
    pub fn include(self, method: &str) -> bool {
        match self {
            HeldRequests::None => false,
            HeldRequests::Writes => !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE"),
            HeldRequests::All => true,
        }
    }
}

fn cookie_lifetime_ms() -> u64 {
    86_400_000
}

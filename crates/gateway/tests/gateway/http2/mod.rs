//! HTTP/2 towards clients: exchanges through a proper client, and what only raw frames can say.

mod client;
mod conformance;
mod defences;
mod ends;
mod examined;
mod exchanges;
mod grpc;
mod heads;
mod shadow;
mod streaming;

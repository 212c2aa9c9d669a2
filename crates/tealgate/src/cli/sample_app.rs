//! Arguments of the hidden `sample-app`.

use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;

/// Arguments of `sample-app`.
#[derive(Clone, Debug, Args)]
pub struct SampleAppArgs {
    /// The port that it listens on.
    #[arg(long)]
    pub port: u16,
    /// The address that it listens on.
    #[arg(long, default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// The version that it says it is.
    #[arg(long)]
    pub version: String,
    /// The environment that it runs in.
    #[arg(long, default_value = "")]
    pub colour: String,
    /// The number of this instance.
    #[arg(long, default_value = "0")]
    pub instance: String,
    /// The share of users' requests that fail with a 500; `/healthz` stays good.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub fail_rate: f64,
    /// What fails is answered with 200 and says so in its JSON alone, in the member `error`.
    #[arg(long)]
    pub fail_politely: bool,
    /// How many users' requests are answered well before the failures begin.
    #[arg(long, default_value_t = 0)]
    pub fail_after: u64,
    /// Numbers in JSON answers are texts: a mistake that no status tells.
    #[arg(long)]
    pub numbers_as_text: bool,
    /// JSON answers say that they are plain text: a mistake that no status tells.
    #[arg(long)]
    pub json_as_text: bool,
    /// Users' requests are read and never answered; `/healthz` stays good.
    #[arg(long)]
    pub mute: bool,
    /// A file that the ledger is kept in, so that it can be read after the process has ended.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err(format!("`{text}` is no share: write a number from 0 to 1")),
    }
}

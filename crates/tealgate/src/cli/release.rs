//! Arguments of `release`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// The commands about releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Release a version of an app and watch it until it has ended; Ctrl-C leaves it running.
    Start(StartArgs),
    /// Rehearse a release: all of it there and back, with no user on the new version, and the time that a way back takes.
    Rehearse(StartArgs),
    /// Show the newest release of an app; the exit code says how it stands.
    Status(StatusArgs),
    /// Approve what a release waits for.
    Promote(ActArgs),
    /// Take back the release in flight or, after its commit, release the version before it again.
    Rollback(ActArgs),
    /// Stop a release and restore what was live before; legal at any time before the commit.
    Abort(ActArgs),
    /// List the releases of an app, or the apps.
    List(ListArgs),
    /// Print the report of a release, or open it in a browser: plots, gates, ledger, timeline.
    Report(ReportArgs),
}

/// How the server is found and what it is told.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerArgs {
    /// The server's Admin API [default: from the data directory, else http://127.0.0.1:9180].
    #[arg(long, value_name = "URL", env = "TEALGATE_SERVER")]
    pub server: Option<String>,
    /// The server's configuration file, to find the server by.
    #[arg(long, value_name = "FILE", env = "TEALGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// The server's data directory, to find the server and its key by.
    #[arg(long, value_name = "DIR", env = "TEALGATE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// A file with the admin key.
    #[arg(long, value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// The admin key itself; better in the environment than on the command line.
    #[arg(long, value_name = "KEY", env = "TEALGATE_ADMIN_KEY", hide = true, hide_env_values = true)]
    pub admin_key: Option<String>,
}

/// How long to watch.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct WaitArgs {
    /// Stop watching after this time (`90s`, `10m`, `500ms`) and exit with 5; the release goes on.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Do not watch: exit as soon as the server has accepted.
    #[arg(long)]
    pub detach: bool,
}

/// Arguments of `release start` and `rehearse`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// The app.
    pub app: String,
    /// The version to bring live.
    #[arg(long, value_name = "VERSION")]
    pub version: String,
    /// A whole new target for this version (YAML or JSON) instead of the app's.
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub wait: WaitArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// Arguments of `release status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The app.
    pub app: String,
    /// Which release [default: the newest].
    #[arg(long, value_name = "ID")]
    pub release: Option<String>,
    /// Stay and show every change until the release has ended.
    #[arg(long)]
    pub watch: bool,
    /// With --watch: stop after this time (`90s`, `10m`) and exit with 5.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// Arguments of `promote`, `rollback` and `abort`.
#[derive(Debug, Args)]
pub struct ActArgs {
    /// The app.
    pub app: String,
    /// Which release [default: the one in flight].
    #[arg(long, value_name = "ID")]
    pub release: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub wait: WaitArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// Arguments of `release list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The app; without it the apps are listed.
    pub app: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// Arguments of `release report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The app.
    pub app: String,
    /// Which release [default: the newest].
    #[arg(long, value_name = "ID")]
    pub release: Option<String>,
    /// How it is written; --json means json.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Write it as one HTML page with plots into this file.
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub html: Option<PathBuf>,
    /// Open the HTML page in a browser; without --html it is kept in a temporary file.
    #[arg(long, conflicts_with = "format")]
    pub open: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Markdown,
    /// For programs.
    Json,
    /// One page with plots, for a browser.
    Html,
}

/// Reads `500ms`, `90s`, `10m`, `2h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write 500ms, 90s, 10m or 2h");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        for wrong in ["", "m", "1d", "-1s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

//! Arguments of `serve`. A flag overrides the same setting of the file.

use crate::config::listen::{Listen, address};
use crate::config::settings::{AccessLog, Format, Level, Settings};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `serve`.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// The configuration file; read again on SIGHUP and when it changes.
    #[arg(long, value_name = "FILE", env = "TEALGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Store, keys and logs of the environments [default: /var/lib/tealgate for root, else ~/.local/state/tealgate].
    #[arg(long, value_name = "DIR", env = "TEALGATE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the gateway listens; may be given several times [default: 127.0.0.1:9080].
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub listen: Vec<SocketAddr>,
    /// Where the gateway listens with TLS; may be given several times [default: off].
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub tls_listen: Vec<SocketAddr>,
    /// Where the Admin API listens, or `off` [default: 127.0.0.1:9180].
    #[arg(long, value_name = "IP:PORT")]
    pub admin: Option<Listen>,
    /// Where the Admin API with API7's dialect listens with TLS, or `off` [default: 127.0.0.1:7443].
    #[arg(long, value_name = "IP:PORT")]
    pub admin_tls: Option<Listen>,
    /// Admin keys: one line that is the key, or the JSON of `admin-keys.json`.
    #[arg(long, value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// The admin key itself; better in the environment than on the command line.
    #[arg(long, value_name = "KEY", env = "TEALGATE_ADMIN_KEY", hide = true, hide_env_values = true)]
    pub admin_key: Option<String>,
    /// What this process does: both, or one of the two that share only the store.
    #[arg(long, value_enum, default_value_t)]
    pub role: Role,
    /// Take over from the running process of this role and data directory; clients do not notice. Without one, just start.
    #[arg(long)]
    pub takeover: bool,
    /// Gateway threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Where the JSON access log goes, or `off` [default: off].
    #[arg(long, value_name = "PATH|off")]
    pub access_log: Option<String>,
    /// The least important log level that is written [default: info].
    #[arg(long, value_enum)]
    pub log_level: Option<Level>,
    /// How a log line looks [default: text].
    #[arg(long, value_enum)]
    pub log_format: Option<Format>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Gateway and controller.
    #[default]
    All,
    /// Traffic only.
    Gateway,
    /// Releases only.
    Controller,
}

impl Role {
    /// The name in reports and on the status page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::All => "all",
            Role::Gateway => "gateway",
            Role::Controller => "controller",
        }
    }
}

impl ServeArgs {
    /// Lays the flags over the settings of the file.
    #[must_use]
    pub fn over(&self, mut settings: Settings) -> Settings {
        if !self.listen.is_empty() {
            settings.listen.0.clone_from(&self.listen);
        }
        if !self.tls_listen.is_empty() {
            settings.tls_listen.0.clone_from(&self.tls_listen);
        }
        replace(&mut settings.admin.listen, self.admin);
        replace(&mut settings.admin.tls_listen, self.admin_tls);
        replace(&mut settings.data_dir, self.data_dir.clone().map(Some));
        replace(&mut settings.threads, self.threads.map(Some));
        replace(&mut settings.access_log, self.access_log.clone().map(AccessLog::from));
        replace(&mut settings.log.level, self.log_level);
        replace(&mut settings.log.format, self.log_format);
        settings
    }
}

fn replace<T>(setting: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *setting = flag;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_file_and_nothing_else() {
        let mut file = Settings { threads: Some(7), drain_timeout_ms: 5, ..Settings::default() };
        file.log.level = Level::Warn;
        let args = ServeArgs {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 80))],
            admin_tls: Some(Listen::Off),
            access_log: Some("off".to_owned()),
            threads: Some(2),
            ..ServeArgs::default()
        };
        let settings = args.over(file);
        assert_eq!(settings.listen.0, args.listen);
        assert_eq!(settings.admin.tls_listen, Listen::Off);
        assert_eq!((settings.threads, settings.drain_timeout_ms), (Some(2), 5));
        assert_eq!(settings.log.level, Level::Warn);
    }
}

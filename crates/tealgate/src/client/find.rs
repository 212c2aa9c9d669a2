//! Which server, and with which key.
//!
//! In this order. Server: `--server` or `TEALGATE_SERVER`; what the running server left in its data directory; the
//! address in the configuration file; `http://127.0.0.1:9180`. Key: `--admin-key-file`; `TEALGATE_ADMIN_KEY`;
//! `admin-keys.json` of the data directory.

use crate::cli::release::ServerArgs;
use crate::config;
use crate::config::settings::Settings;
use crate::data_dir;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use crate::running::Running;
use http::HeaderValue;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Largest key file, bytes.
const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

/// A server and the key for it.
#[derive(Clone, Debug)]
pub struct Server {
    /// `host:port`.
    pub authority: String,
    /// The admin key, if one was found.
    pub key: Option<Key>,
}

/// An admin key; `Debug` does not show it.
#[derive(Clone)]
pub struct Key(HeaderValue);

impl Key {
    fn new(text: &str) -> Option<Key> {
        let mut value = HeaderValue::from_str(text.trim()).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(Key(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Server {
    /// The address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Finds the server and the key that the arguments mean.
    ///
    /// # Errors
    /// When an argument cannot be used.
    pub fn find(arguments: &ServerArgs) -> Outcome<Server> {
        let settings = match &arguments.config {
            Some(path) => Some(config::load(path, plugins::ALL).map_err(|errors| {
                Failure::new(
                    Exit::Usage,
                    anyhow::Error::new(errors),
                    "correct the file, or name the server with --server",
                )
            })?),
            None => None,
        };
        let settings = settings.map(|loaded| loaded.settings);
        let flag = arguments.data_dir.clone();
        let data_dir = flag.or_else(|| settings.as_ref().and_then(|settings| settings.data_dir.clone()));
        let data_dir = data_dir.or_else(data_dir::default);
        let authority = match &arguments.server {
            Some(url) => authority(url)?,
            None => local(settings.as_ref(), data_dir.as_deref())?.to_string(),
        };
        Ok(Server { authority, key: key(arguments, data_dir.as_deref())? })
    }
}

/// The address of the server on this machine.
fn local(settings: Option<&Settings>, data_dir: Option<&Path>) -> Outcome<SocketAddr> {
    if let Some(running) = data_dir.and_then(Running::read)
        && let Some(address) = running.admin
    {
        return Ok(address);
    }
    let default = Settings::default();
    let address = settings.unwrap_or(&default).admin.listen.address();
    let address = address.ok_or_else(|| {
        Failure::usage("the configuration file switches the Admin API off", "name a server with --server")
    })?;
    Ok(reachable(address))
}

/// An address that listens everywhere is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => std::net::Ipv4Addr::LOCALHOST.into(),
        _ => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

/// `http://host:port` or `host:port` as `host:port`.
fn authority(url: &str) -> Outcome<String> {
    let wrong =
        |why: &str| Failure::usage(format!("`{url}` is no server: {why}"), "write http://127.0.0.1:9180");
    if url.starts_with("https://") {
        return Err(wrong("this command speaks plain HTTP to the Admin API, by default on port 9180"));
    }
    let rest = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let authority: http::uri::Authority =
        rest.parse().map_err(|_| wrong("not of the form http://HOST:PORT"))?;
    if authority.host().is_empty() || rest.contains('@') {
        return Err(wrong("not of the form http://HOST:PORT"));
    }
    Ok(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(9180)))
}

fn key(arguments: &ServerArgs, data_dir: Option<&Path>) -> Outcome<Option<Key>> {
    if let Some(path) = &arguments.admin_key_file {
        return key_of_file(path).map(Some);
    }
    if let Some(text) = arguments.admin_key.as_deref().filter(|text| !text.is_empty()) {
        let key = Key::new(text);
        return Ok(Some(key.ok_or_else(|| Failure::usage("TEALGATE_ADMIN_KEY holds no usable key", ""))?));
    }
    let path: Option<PathBuf> = data_dir.map(|directory| directory.join(admin::keys::FILE_NAME));
    match path {
        Some(path) if path.exists() => key_of_file(&path).map(Some),
        _ => Ok(None),
    }
}

/// One line that is the key, or the JSON of `admin-keys.json`: then the key that may do most.
fn key_of_file(path: &Path) -> Outcome<Key> {
    let unusable = |why: String| {
        let what = format!("the admin key file {}: {why}", path.display());
        Failure::usage(
            what,
            "it holds one line that is a key, or the JSON of the data directory's admin-keys.json",
        )
    };
    let size = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.len();
    if size > MAX_KEY_FILE_BYTES {
        return Err(unusable("it is too large to be a key file".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    if !text.trim_start().starts_with('{') {
        return Key::new(&text).ok_or_else(|| unusable("it holds no usable key".to_owned()));
    }
    let file: Value = serde_json::from_str(&text).map_err(|_| unusable("it is not valid JSON".to_owned()))?;
    let entries = file.get("keys").and_then(Value::as_array).into_iter().flatten();
    let role = |entry: &&Value| {
        entry.get("role").cloned().and_then(|role| serde_json::from_value::<model::policy::Role>(role).ok())
    };
    let best = entries.max_by_key(role).and_then(|entry| Key::new(entry.get("key")?.as_str()?));
    best.ok_or_else(|| unusable("it holds no usable key".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_with_or_without_its_scheme() {
        for text in ["http://127.0.0.1:9180", "127.0.0.1:9180", "http://127.0.0.1:9180/", "http://127.0.0.1"]
        {
            assert_eq!(authority(text).unwrap(), "127.0.0.1:9180", "{text}");
        }
        for text in ["https://127.0.0.1:7443", "", "http://", "http://u:p@h:1", "http://h/path"] {
            assert!(authority(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_key_that_may_do_most_is_taken_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let keys = r#"{"format":1,"keys":[{"name":"v","role":"viewer","key":"look"},{"name":"a","role":"admin","key":"all"}]}"#;
        std::fs::write(&path, keys).unwrap();
        let key = key_of_file(&path).unwrap();
        assert_eq!(key.header(), "all");
        assert!(!format!("{key:?}").contains("all"));
        std::fs::write(&path, "just-a-line\n").unwrap();
        assert_eq!(key_of_file(&path).unwrap().header(), "just-a-line");
    }

    #[test]
    fn a_server_that_listens_everywhere_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:9180".parse().unwrap()).to_string(), "127.0.0.1:9180");
        assert_eq!(reachable("10.0.0.1:9180".parse().unwrap()).to_string(), "10.0.0.1:9180");
    }
}

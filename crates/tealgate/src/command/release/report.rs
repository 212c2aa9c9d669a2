//! `release report`: prints the report of a release, writes it as a page, or opens that in a browser.

use crate::cli::release::{ReportArgs, ReportFormat};
use crate::command::output::Output;
use crate::command::release::{client, paths, show};
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What opens a page, the first that is there.
const OPENERS: [&str; 2] = ["xdg-open", "open"];
/// How many temporary files with the same name there may be.
const SAME_NAME_MAX: u32 = 1_000;

pub(super) async fn run(arguments: &ReportArgs, output: Output) -> Outcome {
    let client = client(&arguments.server)?;
    let id = match &arguments.release {
        Some(id) => id.clone(),
        None => show::newest(&client, &arguments.app).await?.release,
    };
    let path = format!("{}/report", paths::release(&arguments.app, &id));
    if arguments.html.is_some() || arguments.open {
        let page = client.get_text(&format!("{path}?format=html")).await?;
        return keep(arguments, &id, &page, output);
    }
    match arguments.format {
        ReportFormat::Html => output.text(&client.get_text(&format!("{path}?format=html")).await?),
        ReportFormat::Markdown if !output.json => {
            output.text(&client.get_text(&format!("{path}?format=markdown")).await?);
        }
        ReportFormat::Json | ReportFormat::Markdown => {
            output.data(&client.get(&format!("{path}?format=json")).await?);
        }
    }
    Ok(Exit::Done)
}

/// Writes the page, says where it is, and opens it if that is wanted.
fn keep(arguments: &ReportArgs, release: &str, page: &str, output: Output) -> Outcome {
    let (file, written) = match &arguments.html {
        Some(file) => (file.clone(), std::fs::write(file, page)),
        None => match temporary(release, page) {
            Ok(file) => (file, Ok(())),
            Err(error) => (std::env::temp_dir(), Err(error)),
        },
    };
    written.map_err(|error| {
        let what =
            anyhow::Error::new(error).context(format!("the page cannot be written to {}", file.display()));
        Failure::new(Exit::Internal, what, "give another file: --html FILE")
    })?;
    if output.json {
        output.data(&json!({"release": release, "file": file}));
    } else {
        output.text(&format!("{}\n", file.display()));
    }
    if arguments.open {
        open(&file)?;
    }
    Ok(Exit::Done)
}

/// A new file that only this user can read; never one that is there already, nor where a link leads.
fn temporary(release: &str, page: &str) -> io::Result<PathBuf> {
    let name: String = release.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    for number in 0..SAME_NAME_MAX {
        let path = std::env::temp_dir().join(format!("tealgate-{name}-{}-{number}.html", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(page.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Hands the page to the desktop, and does not wait for the browser to be closed.
fn open(file: &Path) -> Outcome<()> {
    let mut last = None;
    for opener in OPENERS {
        let started = Command::new(opener)
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    let what = match last {
        Some(error) => anyhow::Error::new(error).context("no browser can be opened"),
        None => anyhow::anyhow!("no browser can be opened"),
    };
    Err(Failure::new(Exit::Internal, what, format!("open it yourself: {}", file.display())))
}

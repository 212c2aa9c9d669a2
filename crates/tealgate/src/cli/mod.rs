//! The command line as clap reads it. No command does its work here.

pub mod release;
pub mod sample_app;
pub mod serve;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// What `tealgate` alone prints.
pub const FIRST_STEPS: &str = "\
Tealgate carries live traffic and upgrades what stands behind it: an API gateway and a blue-green release
controller in one binary.

Two things to try first:

  tealgate demo      a whole release and a rollback under load, on this machine, in a minute
  tealgate serve     start the gateway on 127.0.0.1:9080 and its Admin API on 127.0.0.1:9180

Then: tealgate check FILE, tealgate release start APP --version V. `tealgate help` lists everything.
";

const AFTER_HELP: &str = "\
Exit codes: 0 promoted or done, 1 rolled back, 2 usage, 3 refused, 4 aborted or superseded,
            5 waiting or timed out, 6 unreachable or internal";

/// An API gateway and a blue-green release controller in one binary.
#[derive(Debug, Parser)]
#[command(name = "tealgate", version, after_help = AFTER_HELP, disable_help_subcommand = false)]
pub struct Cli {
    /// Print data as JSON on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry traffic and run releases.
    Serve(Box<serve::ServeArgs>),
    /// Check a configuration file: all errors at once, each with file, line and field.
    Check(CheckArgs),
    /// A whole release and a rollback under load, on this machine, in about a minute.
    Demo(DemoArgs),
    /// Start, watch and steer releases.
    #[command(subcommand)]
    Release(release::ReleaseCommand),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// The application that the demo upgrades.
    #[command(hide = true)]
    SampleApp(sample_app::SampleAppArgs),
    /// Starts one process of an environment in a session of its own; the process target runs this.
    #[command(hide = true, disable_help_flag = true)]
    Launch {
        /// What the process target says.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file.
    #[arg(default_value = "tealgate.yaml")]
    pub file: PathBuf,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave everything running afterwards, to play with.
    #[arg(long)]
    pub keep: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! `lastword config check`.

use std::io::Write as _;

use super::{Config, ConfigError};
use crate::args::ConfigCheckArgs;
use crate::exit::{Exit, Failure, printed};
use crate::logging;
use crate::plugins;
use crate::tls;
use crate::tokens;
use lastword_events::text::printable_path;

/// Reads everything that `lastword serve` reads, and loads every plugin.
///
/// # Errors
/// Every mistake in the file, else the first problem with a file that it names.
pub(crate) fn check(args: &ConfigCheckArgs) -> Result<Exit, Failure> {
    logging::to_stderr(None::<tracing_subscriber::layer::Identity>);
    let config = Config::load(&args.config).map_err(Failure::usage)?;
    config.owner.formats().map_err(|mistakes| Failure::usage(ConfigError::from(mistakes)))?;
    let tokens = config.daemon.tokens.as_deref().map(tokens::read).transpose()?.unwrap_or_default();
    tokens::valid(&tokens)?;
    if let Some(files) = &config.daemon.tls {
        tls::load(files)?;
    }
    let sandbox = plugins::sandbox_for_serving(&args.cache, &config.plugins, config.calls)?;
    let loaded = plugins::load_all(&sandbox, config.plugins)?;
    let mut out = anstream::stdout().lock();
    let plugins = if loaded.len() == 1 { "1 plugin fits".to_owned() } else { format!("{} plugins fit", loaded.len()) };
    let tokens = match tokens.len() {
        0 => String::new(),
        1 => ", 1 token".to_owned(),
        many => format!(", {many} tokens"),
    };
    printed(writeln!(out, "{}: no mistakes, {plugins}{tokens}", printable_path(&args.config)))?;
    Ok(Exit::Delivered)
}

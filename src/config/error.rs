//! What can be wrong with a configuration.

use super::suggest::nearest;

/// What is wrong with a configuration, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Toml {
        /// Line in the file, from 1.
        line: usize,
        /// What is wrong there, with a suggestion where there is one.
        message: String,
    },
    /// The file was written for a newer version of this program.
    #[error("this file has format_version {found}; this pgat reads up to {supported}: update pgat")]
    Newer {
        /// The version in the file.
        found: i64,
        /// The newest version that can be read.
        supported: u32,
    },
    /// A value that cannot work.
    #[error("{key}: {problem}; {advice}")]
    Invalid {
        /// The key, as `section.name`.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// The configuration cannot be written.
    #[error("the configuration cannot be written as TOML: {0}")]
    Write(#[from] toml::ser::Error),
    /// The configuration file cannot be read.
    #[cfg(feature = "native")]
    #[error("{}: the configuration cannot be read ({source}); check the path", path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ConfigError {
    pub(super) fn invalid(key: &'static str, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Invalid { key, problem: problem.into(), advice: advice.into() }
    }

    /// Restates an error of the TOML reader on one line, with line number and suggestion.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count();
        let message = unknown_key(error.message()).unwrap_or_else(|| error.message().replace('\n', ", "));
        Self::Toml { line, message }
    }
}

/// Turns serde's "unknown field `x`, expected one of `a`, `b`" into a message with the nearest known key.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ").or_else(|| message.strip_prefix("unknown variant "))?;
    let what = if message.starts_with("unknown field") { "key" } else { "value" };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let name = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(match nearest(name, known.iter().copied()) {
        Some(best) => format!("unknown {what} `{name}`; did you mean `{best}`?"),
        None => format!("unknown {what} `{name}`; known here: {}", known.join(", ")),
    })
}

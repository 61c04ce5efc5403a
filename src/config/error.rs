//! Errors of configurations.

use super::suggest::nearest;

/// What is wrong with a configuration, and how to correct it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Invalid TOML, an unknown key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Toml {
        /// Line in the file, from 1.
        line: usize,
        /// What is wrong on this line, with a suggestion if possible.
        message: String,
    },
    /// The file was written for a newer version of this program.
    #[error("the file has format_version {found}, but this pgat reads versions up to {supported}; update pgat")]
    Newer {
        /// The version in the file.
        found: i64,
        /// The newest supported version.
        supported: u32,
    },
    /// An invalid value.
    #[error("{key}: {problem}; {advice}")]
    Invalid {
        /// The key, as `section.name`.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
        /// How to correct it.
        advice: String,
    },
    /// The configuration cannot be written.
    #[error("the configuration cannot be written as TOML: {0}")]
    Write(#[from] toml::ser::Error),
    /// The configuration file cannot be read.
    #[cfg(feature = "native")]
    #[error("{}: the configuration file cannot be read ({source}); check the path", path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ConfigError {
    pub(crate) fn invalid(key: &'static str, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Invalid { key, problem: problem.into(), advice: advice.into() }
    }

    /// Converts an error of the TOML parser to one line of plain text with line number and suggestion.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count();
        let message = unknown_key(error.message()).unwrap_or_else(|| plain(error.message()));
        Self::Toml { line, message }
    }
}

/// Replaces the parser's words for wrong types and missing keys with those of a config file.
fn plain(message: &str) -> String {
    let pairs = [
        ("\n", ", "),
        ("missing field ", "missing key "),
        ("invalid type: ", "wrong type of value: found "),
        ("expected usize", "expected a whole number of 0 or more"),
        ("expected u32", "expected a whole number of 0 or more"),
        ("expected u64", "expected a whole number of 0 or more"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
    ];
    pairs.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Converts serde's "unknown field `x`, expected one of `a`, `b`" to a message with the most similar known key.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ").or_else(|| message.strip_prefix("unknown variant "))?;
    let what = if message.starts_with("unknown field") { "key" } else { "value" };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let name = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(match nearest(name, known.iter().copied()) {
        Some(best) => format!("unknown {what} `{name}`; did you mean `{best}`?"),
        None => format!("unknown {what} `{name}`; known {what}s: {}", known.join(", ")),
    })
}

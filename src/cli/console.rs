//! Output to stdout and stderr.

pub(crate) use pgat::bytes::rounded_text as bytes;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The reader of stdout closed the pipe.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
struct ClosedPipe;

/// Whether an error is only a closed pipe.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<ClosedPipe>)
}

/// Writes a result to stdout.
pub(crate) fn result(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(ClosedPipe.into()),
        Err(e) => Err(anyhow::Error::new(e).context("stdout")),
    }
}

/// Writes a value to stdout as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    result(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a line to stderr. A failed write is ignored.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes a warning to stderr.
pub(crate) fn warn(text: &str) {
    line(&format!("{} {text}", bold("warning:")));
}

fn styled(text: &str, code: &str) -> String {
    let colour = std::io::stderr().is_terminal() && !no_color();
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

pub(crate) fn bold(text: &str) -> String {
    styled(text, "1")
}

pub(crate) fn bold_red(text: &str) -> String {
    styled(text, "1;31")
}

/// Writes logs to stderr. By default, it logs warnings of this crate. Each `-v` adds one level for this crate; other crates start at
/// errors with `-v`.
pub(crate) fn log(verbose: u8, quiet: bool) {
    let (own, others) = match (quiet, verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::OFF),
        (false, 0) => (LevelFilter::WARN, LevelFilter::OFF),
        (false, 1) => (LevelFilter::INFO, LevelFilter::ERROR),
        (false, 2) => (LevelFilter::DEBUG, LevelFilter::WARN),
        (false, _) => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color())
        .with_timer(uptime())
        .with_span_events(FmtSpan::CLOSE);
    let filter = Targets::new().with_target("pgat", own).with_default(others);
    tracing_subscriber::registry().with(filter).with(format).init();
}

/// Formats a count as 12,345,678.
pub(crate) fn thousands(number: impl TryInto<u64>) -> String {
    pgat::bytes::grouped(number.try_into().unwrap_or(u64::MAX))
}

/// Formats a duration as 75 s, 3 min 20 s or 2 h 5 min.
pub(crate) fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..100 => format!("{whole} s"),
        100..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Formats milliseconds with three digits; from 1000 ms on, as seconds.
pub(crate) fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 {
        return format!("{:.2} s", ms / 1000.0);
    }
    let decimals = if ms < 1.0 {
        3
    } else if ms < 10.0 {
        2
    } else {
        usize::from(ms < 100.0)
    };
    format!("{ms:.decimals$} ms")
}

/// A path quoted for a shell.
pub(crate) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%~".contains(c) || !c.is_ascii();
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Formats rows as aligned columns. Columns in `left` are left-aligned, all others right-aligned.
pub(crate) fn table(rows: &[Vec<String>], left: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let padded = cells.map(|(c, (cell, &w))| if left.contains(&c) { format!("{cell:<w$}") } else { format!("{cell:>w$}") });
        text += padded.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(["0", "999", "1,000", "12,345,678"], [0_u64, 999, 1000, 12_345_678].map(thousands).each_ref().map(String::as_str));
        assert_eq!((duration(7.4), duration(200.0), duration(7500.0)), ("7 s".into(), "3 min 20 s".into(), "2 h 5 min".into()));
        assert_eq!(
            (milliseconds(0.1234), milliseconds(12.34), milliseconds(456.7)),
            ("0.123 ms".into(), "12.3 ms".into(), "457 ms".into())
        );
    }

    #[test]
    fn paths_can_be_pasted() {
        assert_eq!(shell(Path::new("runs/a-2")), "runs/a-2");
        assert_eq!(shell(Path::new("my run")), "'my run'");
        assert_eq!(shell(Path::new("it's")), "'it'\\''s'");
    }
}

//! The config as text, with a comment on each guess.

use std::fmt::Write as _;

use super::Sketch;
use super::roles::{Roles, listed};
use super::sizes::{Lengths, Sizes};
use crate::calendar::Frequency;
use crate::config::{KnownFuture, TimeColumns};

/// What a config is written from, besides the sketch of the table.
pub(super) struct Draft<'a> {
    pub(super) file: &'a str,
    pub(super) roles: &'a Roles,
    pub(super) lengths: Lengths,
    pub(super) sizes: Option<Sizes>,
    /// Time step and rows of a season.
    pub(super) season: Option<(Frequency, usize)>,
    pub(super) stride: usize,
    /// Columns and series that are not used, each with the reason.
    pub(super) left_out: Vec<(String, String)>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(file: &'a str, roles: &'a Roles, lengths: Lengths) -> Self {
        Self { file, roles, lengths, sizes: None, season: None, stride: 1, left_out: roles.left_out.clone() }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

fn known(known: KnownFuture) -> &'static str {
    match known {
        KnownFuture::No => "",
        KnownFuture::Yes => ", known_future = true",
        KnownFuture::Partial => ", known_future = \"partial\"",
    }
}

/// A comment: one line, whatever the text contains.
fn comment(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("# {plain}")
}

/// The config as TOML.
pub(super) fn text(sketch: &Sketch, draft: &Draft<'_>) -> String {
    let mut text = String::new();
    let name = draft.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.split('.').next().filter(|s| !s.is_empty() && *s != "-").unwrap_or("run");
    let _ = writeln!(text, "format_version = 2\nname = {}\n\n[data]\npath = {}", quoted(stem), quoted(draft.file));
    data(&mut text, sketch, draft);
    let Lengths { history, horizon, patch } = draft.lengths;
    let _ = writeln!(text, "\n[window]");
    if let Some((frequency, season)) = draft.season {
        let _ = writeln!(text, "{}", comment(&format!("a season of {season} rows of {frequency} to forecast, or less in a short file")));
    }
    let _ = writeln!(text, "history = {history}\nhorizon = {horizon}");
    let _ = writeln!(text, "\n[split] # fractions of the rows, in time order\ntrain = 0.7\nvalidation = 0.1\ntest = 0.2");
    let _ = writeln!(text, "\n[evaluation]");
    if draft.stride > 1 {
        let _ = writeln!(text, "# about 300 forecasts of the test rows are scored; 1 scores all");
    }
    let _ = writeln!(text, "stride = {}", draft.stride);
    if draft.roles.counts {
        let _ = writeln!(text, "lower = 0 # all values are counts: whole and not negative");
    }
    let [width, heads, layers, hidden, transitions, batch, steps] = draft.sizes.as_ref().map_or([8, 2, 1, 16, 1, 4, 1], |s| s.rung);
    let _ = writeln!(text, "\n[model]");
    if let Some(sizes) = &draft.sizes {
        let _ = writeln!(text, "{}", comment(&sizes.why));
    }
    let _ = writeln!(
        text,
        "patch_len = {patch}\nd_model = {width}\nn_heads = {heads}\nn_layers = {layers}\nd_ff = {hidden}\nnum_transitions = {transitions}"
    );
    let _ = writeln!(
        text,
        "\n[training]\nseed = 1\nbatch_size = {batch}\nmax_steps = {steps}\nlearning_rate = 1e-3\n\
         validate_every = 100\ncheckpoint_every = 100"
    );
    text
}

/// The section `[data]` after its path.
fn data(text: &mut String, sketch: &Sketch, draft: &Draft<'_>) {
    let (s, roles) = (&sketch.settings, draft.roles);
    if let Some(delimiter) = s.delimiter.filter(|d| *d != ',') {
        let _ = writeln!(text, "delimiter = {}", quoted(&delimiter.to_string()));
    }
    if s.decimal != '.' {
        let _ = writeln!(text, "decimal = {}", quoted(&s.decimal.to_string()));
    }
    if let Some(thousands) = s.thousands {
        let _ = writeln!(text, "thousands = {}", quoted(&thousands.to_string()));
    }
    if let Some(sign) = s.comment {
        let _ = writeln!(text, "comment = {}", quoted(&sign.to_string()));
    }
    if s.skip_lines > 0 {
        let _ = writeln!(text, "skip_lines = {} # lines above the header", s.skip_lines);
    }
    if !s.header {
        let _ = writeln!(text, "header = false # the first line holds values");
    }
    if let Some(time) = &s.time {
        if let Some(choice) = &sketch.time {
            let _ = writeln!(text, "{}", comment(&choice.why));
        }
        let _ = match time {
            TimeColumns::One(name) => writeln!(text, "time = {}", quoted(name)),
            TimeColumns::Several(names) => writeln!(text, "time = {}", list(names)),
        };
    }
    if let Some(format) = &s.time_format {
        let _ = writeln!(text, "time_format = {}", quoted(format));
    }
    if let Some(zone) = &s.timezone {
        let _ = writeln!(text, "timezone = {}", quoted(zone));
    }
    if let Some(frequency) = s.frequency {
        let _ = writeln!(text, "frequency = {}", quoted(&frequency.to_string()));
    }
    if let Some(weekdays) = s.weekdays {
        let _ = writeln!(text, "weekdays = {}", quoted(&weekdays.to_string()));
    }
    if let Some(session) = s.session {
        let _ = writeln!(text, "session = {} # from the first to the last row of a day", quoted(&session.to_string()));
    }
    if !s.holidays.is_empty() {
        let _ = writeln!(text, "holidays = {}", list(&s.holidays));
    }
    if let Some(series) = &s.series {
        let _ = writeln!(text, "series = {} # a long table: one row for each series and timestamp", quoted(series));
    }
    if !roles.missing.is_empty() {
        let all = crate::config::data::MISSING.iter().copied().chain(roles.missing.iter().map(String::as_str));
        let mut seen = std::collections::BTreeSet::new();
        let _ = writeln!(text, "missing = {}", list(all.filter(|token| seen.insert(*token))));
    }
    if !s.skip_rows.is_empty() {
        let _ = writeln!(text, "skip_rows = {} # rows without a timestamp", list(&s.skip_rows));
    }
    if s.max_gap > 0 {
        let _ = writeln!(text, "max_gap = {} # the longest gap, in rows", s.max_gap);
    }
    let starred = roles.targets == ["*"];
    let _ = writeln!(text, "targets = {}{}", list(&roles.targets), if starred { " # all columns without another use" } else { "" });
    if !draft.left_out.is_empty() {
        let _ = writeln!(text, "{}", comment(&format!("not used: {}", listed(&draft.left_out))));
    }
    if !roles.exclude.is_empty() {
        let _ = writeln!(text, "exclude = {}", list(&roles.exclude));
    }
    if !roles.covariates.is_empty() {
        let _ = writeln!(text, "covariates = [");
        for driver in &roles.covariates {
            let _ = writeln!(text, "    {{ column = {}{} }}, {}", quoted(&driver.name), known(driver.known), comment(driver.why));
        }
        let _ = writeln!(text, "]");
    }
    if !roles.channels.is_empty() {
        let _ = writeln!(text, "channels = [");
        for own in &roles.channels {
            let _ = writeln!(text, "    {{ name = {}, column = {}{} }},", quoted(&own.name), quoted(&own.pattern), known(own.known));
        }
        let _ = writeln!(text, "]");
    }
}

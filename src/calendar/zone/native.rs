//! Time zones of the system, or those of the bundled database.

use jiff::Timestamp;
use jiff::tz::{TimeZone, db};

use super::{FROM, SECOND, TO, Zone};

pub(super) fn open(name: &str) -> Result<Zone, String> {
    let zone = TimeZone::get(name).map_err(|_| unknown(name))?;
    let bound = |stamp: i64| Timestamp::from_second(stamp / SECOND).map_err(|e| e.to_string());
    let (from, to) = (bound(FROM)?, bound(TO)?);
    let first = zone.to_offset(from).seconds();
    let changes = zone.following(from).take_while(|change| change.timestamp() < to);
    let changes = changes.map(|change| (change.timestamp().as_second() * SECOND, change.offset().seconds()));
    Ok(Zone::of_changes(zone.iana_name().unwrap_or(name), first, changes))
}

/// The error for an unknown name, with the known names that are most similar.
fn unknown(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    // The city alone is what people remember.
    let likeness = |known: &str| {
        let known = known.to_ascii_lowercase();
        let city = known.rsplit('/').next().unwrap_or(&known);
        strsim::jaro_winkler(&known, &lower).max(strsim::jaro_winkler(city, &lower.replace(' ', "_")))
    };
    let mut names: Vec<(f64, String)> = db()
        .available()
        .map(|known| (likeness(known.as_str()), known.as_str().to_owned()))
        .filter(|(likeness, _)| *likeness > 0.85)
        .collect();
    names.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let near: Vec<String> = names.into_iter().take(3).map(|(_, name)| format!("\"{name}\"")).collect();
    let near = if near.is_empty() { String::new() } else { format!(" (similar: {})", near.join(", ")) };
    format!("the time zone \"{name}\" is unknown{near}; use a name such as \"Europe/Berlin\", an offset such as \"+02:00\", or \"UTC\"")
}

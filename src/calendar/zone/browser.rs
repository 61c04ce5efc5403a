//! Time zones of the browser.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::super::civil::Date;
use super::super::moment::Cursor;
use super::{DAY, FROM, SECOND, Stamp, TO, Zone};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type DateTimeFormat;

    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locale: &str, options: &JsValue) -> Result<DateTimeFormat, JsValue>;

    #[wasm_bindgen(method)]
    fn format(this: &DateTimeFormat, millis: f64) -> String;
}

/// Time between two looks at the offset. An offset that is in force for less than this may be missed; none has been for decades.
const LOOK: i64 = 7 * DAY;

pub(super) fn open(name: &str) -> Result<Zone, String> {
    let unknown =
        || format!("the browser does not know the time zone \"{name}\"; use a name such as \"Europe/Berlin\", \"+02:00\" or \"UTC\"");
    let quoted = serde_json::to_string(name).map_err(|_| unknown())?;
    let options = format!(
        "{{\"timeZone\":{quoted},\"hourCycle\":\"h23\",\"year\":\"numeric\",\"month\":\"numeric\",\"day\":\"numeric\",\"hour\":\"numeric\",\
         \"minute\":\"numeric\",\"second\":\"numeric\"}}"
    );
    let options = js_sys::JSON::parse(&options).map_err(|_| unknown())?;
    let clock = DateTimeFormat::new("en-US", &options).map_err(|_| unknown())?;
    let offset = |instant: Stamp| local(&clock.format((instant / 1_000) as f64)).map_or(0, |local| (local - instant) / SECOND);
    let first = offset(FROM);
    let (mut before, mut known, mut changes) = (FROM, first, vec![]);
    while before < TO {
        let next = (before + LOOK).min(TO);
        let reached = offset(next);
        if reached != known {
            let (mut low, mut high) = (before / SECOND, next / SECOND);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if offset(middle * SECOND) == known { low = middle } else { high = middle }
            }
            changes.push((high * SECOND, seconds(reached)));
            known = reached;
        }
        before = next;
    }
    Ok(Zone::of_changes(name, seconds(first), changes.into_iter()))
}

fn seconds(offset: i64) -> i32 {
    i32::try_from(offset).unwrap_or(0)
}

/// The time that a browser writes as `6/3/2021, 12:00:00`.
fn local(text: &str) -> Option<Stamp> {
    let mut cursor = Cursor(text.as_bytes());
    let mut numbers = [0; 6];
    for number in &mut numbers {
        cursor.skip_to_digit();
        *number = cursor.number(1, 4)?;
    }
    let [month, day, year, hour, minute, second] = numbers;
    Some(Date::new(year, month, day)?.number() * DAY + (hour * 3_600 + minute * 60 + second) * SECOND)
}

//! Categories and static inputs through the command line: they reach the forecast, a run remembers them, and a text that training has not
//! seen is refused by name.

use crate::support::place::Place;
use crate::support::sheet::{csv, day, forecast, trained, value};
use std::fmt::Write as _;

const DATA: &str = "time = \"time\"\nseries = \"store\"\ntargets = [\"sales\"]\n\
    covariates = [{ column = \"holiday\", kind = \"category\", known_future = true }]\n\
    channels = [{ name = \"promo\", column = \"promo\", kind = \"category\", known_future = true }]\n\
    static = { path = \"stores.csv\", numbers = [\"area\"], categories = [\"region\"] }";

const STORES: &str = "store,area,region\nn1,100,north\ns1,,south\nn2,300,north\n";

/// Days of three stores, then two days of which only the drivers are known.
fn sales(days: u32, promo: &str, holiday: &str) -> String {
    let mut text = csv("time,store,sales,promo,holiday", 0, |_| String::new());
    for row in 0..days + 2 {
        for (k, store) in ["n1", "s1", "n2"].into_iter().enumerate() {
            let known = row < days;
            let sales = if known { format!("{:.3}", value(row, u32::try_from(k).expect("few"))) } else { String::new() };
            let promo = if known { ["", "tv", "web"][(row as usize + k) % 3] } else { promo };
            let holiday = if known { ["", "", "", "easter"][row as usize % 4] } else { holiday };
            writeln!(text, "{},{store},{sales},{promo},{holiday}", day(row)).expect("a string");
        }
    }
    text
}

fn run() -> Place {
    let place = Place::new();
    place.write("stores.csv", STORES);
    place.write("data.csv", &sales(60, "tv", "easter"));
    crate::support::sheet::configure(&place, DATA);
    place.run(&["train", "config.toml", "--out", "run"]).ok();
    place
}

#[test]
fn categories_reach_the_forecast_and_static_inputs_are_remembered() {
    let place = run();
    std::fs::remove_file(place.folder.path().join("stores.csv")).expect("the table of static inputs");
    let medians = |promo: &str, holiday: &str| {
        place.write("later.csv", &sales(60, promo, holiday));
        forecast(&place, "later.csv")
    };
    let base = medians("tv", "easter");
    assert_eq!(base.len(), 6);
    assert_eq!(medians("tv", "easter"), base);
    assert_ne!(medians("web", "easter"), base);
    assert_eq!(medians("tv", "easter "), base, "blanks around a category have no meaning");
}

#[test]
fn static_inputs_reach_the_forecast() {
    let medians = |stores: &str| {
        let place = Place::new();
        place.write("stores.csv", stores);
        place.write("data.csv", &sales(60, "tv", "easter"));
        crate::support::sheet::configure(&place, DATA);
        place.run(&["train", "config.toml", "--out", "run"]).ok();
        forecast(&place, "data.csv")
    };
    let base = medians(STORES);
    assert_ne!(medians(&STORES.replace("s1,,", "s1,900,")), base);
    assert_ne!(medians(&STORES.replace("n2,300,north", "n2,300,south")), base);
}

#[test]
fn what_training_has_not_seen_is_refused_by_name() {
    let place = run();
    place.write("later.csv", &sales(60, "radio", "easter"));
    place.run(&["forecast", "run", "--data", "later.csv"]).error(&[
        "later.csv",
        "line 182",
        "\"radio\" is a category of \"promo\"",
        "\"tv\", \"web\"",
        "unseen = \"zero\"",
    ]);
    let known = sales(60, "tv", "easter");
    place.write("later.csv", &known[..known.rfind("2021-03-03").expect("the last day") - 3 * "2021-03-03,n1,,tv,easter\n".len()]);
    place.run(&["forecast", "run", "--data", "later.csv"]).error(&["holiday", "2021-03-0"]);
    // A series without a row of the table.
    place.write("stores.csv", "store,area,region\nn1,100,north\ns1,200,south\n");
    place.run(&["plan", "config.toml"]).error(&["no row for the series \"n2\""]);
    std::fs::remove_file(place.folder.path().join("stores.csv")).expect("the table");
    place.run(&["plan", "config.toml"]).error(&["stores.csv"]);
}

#[test]
fn a_wide_table_without_the_column_names_the_entry() {
    let text = csv("time,a,b", 60, |row| format!("{},{:.3},{:.3}", day(row), value(row, 0), value(row, 1)));
    let place = trained(&text, "time = \"time\"\ntargets = [\"*\"]");
    crate::support::sheet::configure(
        &place,
        "time = \"time\"\ntargets = [\"a\"]\nchannels = [{ name = \"k\", column = \"c\", kind = \"category\" }]",
    );
    place.run(&["plan", "config.toml"]).error(&["data.channels", "\"c\""]);
}

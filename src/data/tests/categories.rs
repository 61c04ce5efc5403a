//! Categories and static inputs: their codes, their places in a window, and what a run remembers of them.

use super::*;

const DATA: &str = "time = \"ds\"\nseries = \"id\"\ntargets = [\"y\"]\n\
    covariates = [{ column = \"day\", kind = \"category\", known_future = true }]\n\
    channels = [{ name = \"promo\", column = \"promo\", kind = \"category\" }, { name = \"x\", column = \"x\" }]";

/// Two series of 20 days; only the last four days have the promotion `late`.
fn table() -> String {
    let mut text = "ds,id,y,day,promo,x\n".to_owned();
    for row in 0..20 {
        let promo = if row > 15 { "late" } else { ["tv", "", "web"][row % 3] };
        let day = ["2.0", "10"][row % 2];
        for id in ["b", "a"] {
            let promo = if id == "a" { promo } else { "tv" };
            writeln!(text, "2020-01-{:02},{id},{},{day},{promo},{}", row + 1, row * row % 7, row % 5).unwrap();
        }
    }
    text
}

fn with_zero() -> String {
    DATA.replace("column = \"promo\", kind = \"category\"", "column = \"promo\", kind = \"category\", unseen = \"zero\"")
}

const SPLIT: &str = "[split]\ntrain_rows = 12\nvalidation_rows = 0\ntest_rows = 8";

#[test]
fn codes_are_those_of_the_training_rows_in_order() {
    let dataset = read(&config(&with_zero(), SPLIT), &table()).unwrap();
    let side = dataset.side_inputs();
    // "2.0" and 10 are ordered as numbers; `late` is not in the training rows.
    assert_eq!((side.common, side.own), (vec![2], vec![2]));
    let facts = dataset.facts().unwrap().categories;
    let texts: Vec<(&str, Vec<&str>)> = facts.iter().map(|f| (f.name.as_str(), f.texts.iter().map(String::as_str).collect())).collect();
    assert_eq!(texts, [("day", vec!["2", "10"]), ("promo", vec!["tv", "web"])]);
    assert_eq!(dataset.channel_names(), ["x"]);
    let (scaler, _) = Scaler::fit(&dataset).unwrap();
    let mut window = WindowBuffers::new(dataset.shape());
    dataset.fill(WindowId { segment: 0, row: 13 }, &scaler, window.as_mut());
    // Rows 13 to 18, of which the last two are the horizon. Day is known there, the promotion is not.
    assert_eq!(window.common, [2.0, 1.0, 2.0, 1.0, 2.0, 1.0]);
    // Series a (rows 13: missing, 14: web, 15: tv, 16: late), then b.
    assert_eq!(window.own, [0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_category_that_training_has_not_seen_is_an_error_that_names_it() {
    let error = read(&config(DATA, SPLIT), &table()).unwrap_err().to_string();
    for part in ["line 35", "\"late\" is a category of \"promo\"", "\"tv\", \"web\"", "unseen = \"zero\"", "data.channels"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // A later file of a run, with a text that the run does not know; and one with the same texts in another order.
    let config = config(&with_zero().replace("unseen = \"zero\"", "unseen = \"error\""), SPLIT);
    let early: String = table().replace(",late,", ",web,");
    let dataset = read(&config, &early).unwrap();
    let ((scaler, _), facts) = (Scaler::fit(&dataset).unwrap(), dataset.facts().unwrap());
    let known = Known { scaler: &scaler, facts: Some(&facts) };
    let again = |text: &str| Dataset::read_for(&config, text.as_bytes(), Some(&known));
    let error = again(&table()).unwrap_err().to_string();
    assert!(error.contains("\"late\" is a category of \"promo\" that no training row has"), "{error}");
    let mut lines: Vec<&str> = early.lines().collect();
    lines[1..].reverse();
    let turned = again(&format!("{}\n", lines.join("\n"))).unwrap();
    let fill = |dataset: &Dataset| {
        let mut window = WindowBuffers::new(dataset.shape());
        dataset.fill(WindowId { segment: 0, row: 3 }, &scaler, window.as_mut());
        window
    };
    assert_eq!(fill(&turned), fill(&dataset));
    // A file without a promotion of this kind keeps the codes of the others.
    let fewer = again(&early.replace(",tv,", ",,")).unwrap();
    assert!(fill(&fewer).own.iter().all(|code| [0.0, 2.0].contains(code)));
    let none = read(&config, &early.replace(",tv,", ",,").replace(",web,", ",,")).unwrap_err().to_string();
    assert!(none.contains("no training row has a category of \"promo\""), "{none}");
}

#[test]
fn a_missing_row_in_the_horizon_is_an_error_only_if_its_categories_must_be_known() {
    let file = |day: &str| {
        let rows = table().replace("late", "tv");
        let mut lines: Vec<String> = rows.lines().map(String::from).collect();
        // Two more days without targets.
        for row in 21..23 {
            lines.push(format!("2020-01-{row},a,,{day},tv,1"));
        }
        lines.join("\n") + "\n"
    };
    let read = |known: &str, text: &str| {
        let data = DATA.replace("known_future = true", known);
        read(&config(&data, "[split]\ntrain_rows = 12\nvalidation_rows = 0"), text).unwrap().forecast_window()
    };
    assert!(read("known_future = true", &file("10")).is_ok());
    // An empty cell is no category: an ordinary day. A row that is not there is an error.
    assert!(read("known_future = true", &file("")).is_ok());
    let short = file("10").lines().take(42).collect::<Vec<_>>().join("\n");
    let error = read("known_future = true", &short).unwrap_err().to_string();
    assert!(error.contains("\"day\"") && error.contains("2020-01-22"), "{error}");
    assert!(read("known_future = \"partial\"", &file("")).is_ok());
    assert!(read("known_future = false", &file("")).is_ok());
}

#[test]
fn wide_tables_have_categories_of_each_target() {
    let text = hourly("t,y_1,y_2,k_1,k_2", 20, |row| format!("{},{},{},{}", row % 3, row % 4, ["u", "v"][row % 2], ["v", "w"][row % 2]));
    let data =
        "time = \"t\"\ntargets = [\"y_{i}\"]\nchannels = [{ name = \"k\", column = \"k_{i}\", kind = \"category\", known_future = true }]";
    let dataset = read(&config(data, ""), &text).unwrap();
    assert_eq!(dataset.side_inputs().own, [3]);
    let (scaler, _) = Scaler::fit(&dataset).unwrap();
    let mut window = WindowBuffers::new(dataset.shape());
    dataset.fill(WindowId { segment: 0, row: 0 }, &scaler, window.as_mut());
    assert_eq!(window.own, [1.0, 2.0, 2.0, 3.0, 1.0, 2.0, 2.0, 3.0, 1.0, 2.0, 2.0, 3.0]);
}

#[test]
fn left_out_targets_take_their_categories_with_them() {
    let text = hourly("t,y_1,y_2,y_3,k_1,k_2,k_3", 20, |row| {
        let k = |j: usize| ["u", "v", "w"][(row + j) % 3];
        format!("{},7,{},{},{},{}", row % 3, row % 4, k(0), k(1), k(2))
    });
    let data = "time = \"t\"\ntargets = [\"y_1\", \"*\"]\nexclude = [\"k_1\"]\n\
        covariates = [{ column = \"k_3\", kind = \"category\" }, { column = \"k_2\", kind = \"category\", known_future = true }]";
    let dataset = read(&config(data, ""), &text).unwrap();
    assert_eq!(dataset.target_names(), ["y_1", "y_3"]);
    let (scaler, _) = Scaler::fit(&dataset).unwrap();
    let mut window = WindowBuffers::new(dataset.shape());
    dataset.fill(WindowId { segment: 0, row: 0 }, &scaler, window.as_mut());
    assert_eq!(window.common, [3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 3.0, 2.0, 0.0, 3.0, 0.0, 1.0]);
}

#[test]
fn keys_of_categories_without_use_are_refused() {
    for (entry, problem) in [
        ("covariates = [{ name = \"e\", expression = \"2 * x\", kind = \"category\" }]", "an expression"),
        ("covariates = [{ column = \"x\", unseen = \"zero\" }]", "has unseen"),
        ("covariates = [{ column = \"x{i}\", kind = \"category\" }]", "a pattern"),
        ("static = { path = \"s.csv\" }", "names no column"),
        ("static = { numbers = [\"x\"] }", "long table"),
        ("static = { path = \"s.csv\", numbers = [\"x\"], categories = [\"x\"] }", "listed twice"),
    ] {
        let text = format!("[data]\npath = \"x\"\ntargets = [\"y\"]\n{entry}\n[window]\nhistory = 4\nhorizon = 2\n");
        let error = Config::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains(problem), "{entry}: {error}");
    }
}

const STATIC: &str = "time = \"ds\"\nseries = \"id\"\ntargets = [\"*\"]\nstatic = { numbers = [\"area\"], categories = [\"kind\"] }";

fn stores(kind_of_c: &str) -> String {
    let mut text = "ds,id,y,area,kind\n".to_owned();
    for row in 0..12 {
        for (id, area, kind) in [("c", "3", kind_of_c), ("a", if row == 0 { "" } else { "1" }, "x"), ("b", "5", "")] {
            writeln!(text, "2020-01-{:02},{id},{},{area},{kind}", row + 1, row * row % 7).unwrap();
        }
    }
    text
}

#[test]
fn static_columns_of_a_long_table() {
    let dataset = read(&config(STATIC, ""), &stores("10")).unwrap();
    assert_eq!(dataset.target_names(), ["a", "b", "c"], "the static columns are no targets");
    let statics = dataset.statics().unwrap();
    assert_eq!(statics.names, ["area", "kind = 10", "kind = x"]);
    let z = 1.5_f32.sqrt();
    assert_eq!(statics.values, [-z, 0.0, 1.0, z, 0.0, 0.0, 0.0, 1.0, 0.0]);
    // A run remembers them: a later file may not even agree in itself.
    let ((scaler, _), facts) = (Scaler::fit(&dataset).unwrap(), dataset.facts().unwrap());
    let stored: DataFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(stored, facts);
    let known = Known { scaler: &scaler, facts: Some(&stored) };
    let other = stores("10").replace("c,1,3,10", "c,1,4,x");
    assert_eq!(Dataset::read_for(&config(STATIC, ""), other.as_bytes(), Some(&known)).unwrap().statics(), Some(statics));
    let error = read(&config(STATIC, ""), &other).unwrap_err().to_string();
    assert!(error.contains("\"area\" of \"c\" is \"3\" in line 2 and \"4\" in line 5"), "{error}");
}

#[cfg(feature = "native")]
#[test]
fn a_table_of_static_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("data.csv"), hourly("t,y_1,y_2,x", 20, |row| format!("{},{},{}", row % 3, row % 4, row % 5))).unwrap();
    let open = |table: &str| {
        std::fs::write(place("stores.csv"), table).unwrap();
        let text = "[data]\npath = \"data.csv\"\ntime = \"t\"\ntargets = [\"y_{i}\"]\ncovariates = [{ column = \"x\" }]\n\
            static = { path = \"stores.csv\", numbers = [\"area\"], categories = [\"kind\"] }\n[window]\nhistory = 4\nhorizon = 2\n";
        std::fs::write(place("c.toml"), text).unwrap();
        let config = Config::open(place("c.toml")).unwrap();
        Dataset::open(&config, std::path::Path::new(&config.data.path))
    };
    // By the name of the target, or by what {i} matched; rows of other series are not used. A covariate has none.
    let dataset = open("store;area;kind\n2;1,5;u\ny_1;;v\n7;8;w\n").map_err(|e| e.to_string());
    assert!(dataset.as_ref().is_err_and(|e| e.contains("stores.csv") || e.contains("not a number")), "{dataset:?}");
    let dataset = open("store;area;kind\n2;1.5;u\ny_1;2.5;v\n7;8;w\n").unwrap();
    assert_eq!(dataset.statics().unwrap().values, [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, -1.0, 1.0, 0.0]);
    for (table, problem) in [
        ("store,area,kind\n1,2,u\n", "no row for the series \"y_2\""),
        ("store,area,kind\n1,2,u\n2,3,v\n1,2,u\n", "lines 2 and 4"),
        ("store,space,kind\n1,2,u\n2,3,v\n", "area"),
        ("store,area,kind\n1,big,u\n2,3,v\n", "\"big\""),
    ] {
        let error = open(table).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

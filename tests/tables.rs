//! `pgat init` on random tables: it panics on none. What it writes is a config that reads the table, has training windows and can be
//! planned; what it refuses, it refuses with a line, a column or advice. Well-formed tables are read as they were made.
#![expect(clippy::print_stdout, reason = "counts of tables and refusals, to be read")]

mod support {
    pub(crate) mod dates;
    pub(crate) mod random_table;
}

use pgat::config::{Config, ModelSettings, TrainingSettings};
use pgat::data::{DataError, WindowShape};
use pgat::starter::{Options, starter};
use pgat::{Backend, Experiment};
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::random_table::RandomTable;

/// Seconds of a step that are given to `starter`, so that it tries models of several sizes.
const SECONDS: [Option<f64>; 4] = [None, Some(1e-3), Some(2.0), Some(1e3)];

/// Whether models could be planned, by their shape and settings.
#[derive(Default)]
struct Plans(HashMap<String, Result<(), String>>);

impl Plans {
    fn check(&mut self, experiment: &Experiment) -> Result<(), String> {
        let (model, training) = (&experiment.config().model, &experiment.config().training);
        let key = format!("{:?} {model:?} {training:?}", experiment.dataset().shape());
        let plan = || experiment.setup(&Backend::Reference).plan(&Backend::Reference).map(drop).map_err(|e| e.to_string());
        self.0.entry(key).or_insert_with(plan).clone()
    }
}

/// What came of a table: the kind of refusal, or `config`.
fn outcome(table: &RandomTable, seed: u64, plans: &mut Plans) -> Result<String, String> {
    let options = Options { no_time: table.no_time, time: table.time.clone(), time_format: table.time_format.clone(), timezone: None };
    let seconds = SECONDS[usize::try_from(seed % 4).expect("below 4")];
    let mut predict = |_: &WindowShape, _: &ModelSettings, _: &TrainingSettings| seconds;
    let made = match starter(&table.bytes[..], "data.csv", &options, &mut predict) {
        Ok(made) => made,
        Err(e) => return refused(table, &e),
    };
    let config = Config::from_toml(&made.config).map_err(|e| format!("the config is refused: {e}\n{}", made.config))?;
    let experiment = Experiment::read(config, &table.bytes[..], None)
        .map_err(|e| format!("the config does not read the table: {e}\n{}", made.config))?;
    let (counts, refusal) = experiment.windows().map_err(|e| format!("{e}\n{}", made.config))?;
    if let Some(refusal) = refusal {
        return Err(format!("{refusal}\n{}", made.config));
    }
    if counts.training == 0 || counts.test == 0 {
        return Err(format!("{counts:?}\n{}", made.config));
    }
    plans.check(&experiment).map_err(|e| format!("not planned: {e}\n{}", made.config))?;
    if let Some(content) = &table.content {
        let dataset = experiment.dataset();
        let found = (dataset.frequency().map(|f| f.to_string()), dataset.target_names().len());
        let wanted = (content.step.map(String::from), content.series);
        if found != wanted {
            return Err(format!("{found:?} instead of {wanted:?}\n{}\n{}", made.notes.join("\n"), made.config));
        }
        // In a file with one column, missing cells in the first or last rows are blank lines above or below the table.
        let edges = if content.step.is_none() && content.series == 1 { 8 } else { 0 };
        if dataset.rows() + edges < content.rows / content.series {
            return Err(format!("{} rows of {}\n{}", dataset.rows(), content.rows, made.config));
        }
    }
    Ok("config".into())
}

fn refused(table: &RandomTable, e: &DataError) -> Result<String, String> {
    let message = e.to_string();
    if let Some(content) = &table.content {
        return Err(format!("a table with {content:?} is refused: {message}"));
    }
    if !["line ", "column", "; ", "data."].iter().any(|word| message.contains(word)) {
        return Err(format!("this message does not help: {message:?}"));
    }
    if message.contains("\n") {
        return Err(format!("this message has several lines: {message:?}"));
    }
    let kind: String = format!("{e:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
    Ok(match e {
        DataError::Schema { place, .. } => format!("{kind} {}", place.split(' ').next().unwrap_or_default()),
        _ => kind,
    })
}

/// Tries the tables of these seeds. The text of each failure has the seed.
fn tried(seeds: impl Iterator<Item = u64>) -> (BTreeMap<String, usize>, Vec<String>) {
    let (mut counts, mut failures, mut plans) = (BTreeMap::new(), vec![], Plans::default());
    for seed in seeds {
        let table = RandomTable::new(seed);
        let found = catch_unwind(AssertUnwindSafe(|| outcome(&table, seed, &mut plans))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panic: {}", text.unwrap_or_default()))
        });
        match found {
            Ok(kind) => *counts.entry(kind).or_insert(0) += 1,
            Err(problem) => failures.push(format!("seed {seed}: {problem}")),
        }
    }
    (counts, failures)
}

fn check(count: u64) {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(16);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let seeds = |k| (k..count).step_by(usize::try_from(threads).expect("few threads"));
        let workers: Vec<_> = (0..threads).map(|k| scope.spawn(move || tried(seeds(k)))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a thread")).collect()
    });
    let (mut counts, mut failures) = (BTreeMap::<String, usize>::new(), vec![]);
    for (part, failed) in parts {
        part.into_iter().for_each(|(kind, n)| *counts.entry(kind).or_default() += n);
        failures.extend(failed);
    }
    for (kind, n) in &counts {
        println!("{n:7} {kind}");
    }
    // A panic is the worst, and is shown first.
    failures.sort_by_key(|failure| !failure.contains(": panic: "));
    let first: Vec<&str> = failures.iter().take(20).map(|f| f.as_str()).collect();
    assert!(failures.is_empty(), "{} of {count} tables:\n{}", failures.len(), first.join("\n\n"));
    assert!(counts["config"] * 3 > usize::try_from(count).expect("a count"), "most tables are refused: {counts:?}");
}

#[test]
fn random_tables() {
    check(400);
}

#[test]
#[ignore = "takes minutes; cargo test --release --test tables -- --ignored"]
fn many_random_tables() {
    check(std::env::var("PGAT_TABLES").map_or(100_000, |n| n.parse().expect("a number")));
}

/// `PGAT_TABLE=SEED cargo test --test tables one_table -- --ignored --nocapture` shows the table of a failure.
#[test]
#[ignore = "shows the table of a seed"]
fn one_table() {
    let seed = std::env::var("PGAT_TABLE").map_or(0, |seed| seed.parse().expect("PGAT_TABLE is a number"));
    let table = RandomTable::new(seed);
    println!("{}", String::from_utf8_lossy(&table.bytes));
    println!("{:?} no_time {} {:?} {:?}", table.content, table.no_time, table.time, table.time_format);
    println!("{:?}", outcome(&table, seed, &mut Plans::default()));
}

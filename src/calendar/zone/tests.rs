//! Tests of time zones, with the bundled or the system's database.

use super::*;
use crate::calendar::parse_stamp;

fn stamp(text: &str) -> Stamp {
    parse_stamp(text).unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::open(name).unwrap()
}

#[test]
fn instants_have_a_local_time() {
    for (name, instant, text) in [
        ("Europe/Berlin", "2021-06-03 10:00", "2021-06-03 12:00:00+02:00"),
        ("Europe/Berlin", "2021-01-03 10:00", "2021-01-03 11:00:00+01:00"),
        ("Europe/Berlin", "2021-03-28 00:59:59", "2021-03-28 01:59:59+01:00"),
        ("Europe/Berlin", "2021-03-28 01:00", "2021-03-28 03:00:00+02:00"),
        ("Europe/Berlin", "2099-07-01 00:00", "2099-07-01 02:00:00+02:00"),
        ("Europe/Berlin", "1850-07-01 00:00", "1850-07-01 01:00:00+01:00"),
        ("America/New_York", "2021-03-14 07:00", "2021-03-14 03:00:00-04:00"),
        ("America/New_York", "2021-03-14 06:59", "2021-03-14 01:59:00-05:00"),
        ("Asia/Kathmandu", "2021-01-01 00:00", "2021-01-01 05:45:00+05:45"),
        ("Australia/Lord_Howe", "2021-01-01 00:00", "2021-01-01 11:00:00+11:00"),
        ("Australia/Lord_Howe", "2021-07-01 00:00", "2021-07-01 10:30:00+10:30"),
        ("Africa/Monrovia", "1960-01-01 00:00", "1959-12-31 23:15:30-00:44:30"),
        ("Etc/GMT+5", "2021-07-01 00:00", "2021-06-30 19:00:00-05:00"),
        ("+02:00", "2021-07-01 00:00", "2021-07-01 02:00:00+02:00"),
        ("-0330", "2021-07-01 00:00:00.5", "2021-06-30 20:30:00.500-03:30"),
        ("UTC", "2021-07-01 00:00", "2021-07-01 00:00:00Z"),
        ("z", "2021-07-01 00:00", "2021-07-01 00:00:00Z"),
    ] {
        assert_eq!(zone(name).format(stamp(instant)), text, "{name}");
    }
}

#[test]
fn local_times_have_one_instant_or_none_or_two() {
    let berlin = zone("Europe/Berlin");
    let one = |text, instant| assert_eq!(berlin.instant_of(stamp(text)), Local::One(stamp(instant)), "{text}");
    one("2021-06-03 12:00", "2021-06-03 10:00");
    one("2021-03-28 01:59:59", "2021-03-28 00:59:59");
    one("2021-03-28 03:00", "2021-03-28 01:00");
    one("2021-10-31 01:59:59", "2021-10-30 23:59:59");
    one("2021-10-31 03:00", "2021-10-31 02:00");
    let gap = Local::Gap { before_offset: 3_600, after_offset: 7_200 };
    assert_eq!([berlin.instant_of(stamp("2021-03-28 02:00")), berlin.instant_of(stamp("2021-03-28 02:59:59"))], [gap; 2]);
    let two = Local::Two(stamp("2021-10-31 00:30"), stamp("2021-10-31 01:30"));
    assert_eq!(berlin.instant_of(stamp("2021-10-31 02:30")), two);

    let new_york = zone("America/New_York");
    assert_eq!(new_york.instant_of(stamp("2021-03-14 02:30")), Local::Gap { before_offset: -18_000, after_offset: -14_400 });
    let two = Local::Two(stamp("2021-11-07 05:00"), stamp("2021-11-07 06:00"));
    assert_eq!(new_york.instant_of(stamp("2021-11-07 01:00")), two);

    // Half an hour.
    let lord_howe = zone("Australia/Lord_Howe");
    assert_eq!(lord_howe.instant_of(stamp("2021-10-03 02:15")), Local::Gap { before_offset: 37_800, after_offset: 39_600 });
    assert_eq!(lord_howe.instant_of(stamp("2021-10-03 02:30")), Local::One(stamp("2021-10-02 15:30")));
    assert!(matches!(lord_howe.instant_of(stamp("2021-04-04 01:45")), Local::Two(..)));

    // Samoa left out a whole day.
    assert!(matches!(zone("Pacific/Apia").instant_of(stamp("2011-12-30 12:00")), Local::Gap { .. }));

    for fixed in ["UTC", "+02:00", "Etc/GMT+5"] {
        let zone = zone(fixed);
        assert!(zone.changes.is_empty(), "{fixed}");
        assert_eq!(zone.instant_of(stamp("2021-03-28 02:30")), Local::One(stamp("2021-03-28 02:30") - i64::from(zone.first) * SECOND));
    }
}

#[test]
fn every_local_time_leads_back() {
    for name in
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia", "Asia/Tokyo"]
    {
        let zone = zone(name);
        assert!(zone.changes.is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1));
        for instant in (stamp("1895-01-01")..stamp("2110-01-01")).step_by(37 * 3_600_000_017) {
            match zone.instant_of(zone.to_local(instant)) {
                Local::One(found) => assert_eq!(found, instant, "{name}"),
                Local::Two(earlier, later) => assert!(earlier < later && (earlier == instant || later == instant), "{name} {instant}"),
                Local::Gap { .. } => panic!("{name} {instant}"),
            }
        }
    }
}

#[test]
fn names_are_checked() {
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
    assert_eq!((zone("UTC").is_utc(), zone("+00:00").is_utc(), zone("Europe/London").is_utc()), (true, true, false));
    for (name, near) in
        [("Europe/Berlni", "Europe/Berlin"), ("Berlin", "Europe/Berlin"), ("new york", "America/New_York"), ("", "Europe/Berlin")]
    {
        let error = Zone::open(name).unwrap_err();
        assert!(error.contains(near), "{error}");
    }
    assert!(!Zone::open("@").unwrap_err().contains("similar"));
}

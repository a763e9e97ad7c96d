//! Calendar arithmetic against dates that are known.

use super::*;

#[test]
fn timestamps_are_read_and_printed() {
    let check = |text: &str, micros: i64, printed: &str| {
        assert_eq!(parse_timestamp(text), Ok(micros), "{text}");
        assert_eq!(print_timestamp(micros).as_deref(), Some(printed), "{text}");
    };
    check("1970-01-01", 0, "1970-01-01T00:00:00Z");
    check("2000-02-29T12:30", 951_827_400 * SECOND, "2000-02-29T12:30:00Z");
    check("2026-01-01 00:00:00.5+02:00", 1_767_218_400_500_000, "2025-12-31T22:00:00.500000Z");
    check("0000-01-01T00:00:00Z", -62_167_219_200 * SECOND, "0000-01-01T00:00:00Z");
    check("9999-12-31t23:59:59.999999z", 253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z");
    check("1969-12-31T23:59:59.999999-00:00", -1, "1969-12-31T23:59:59.999999Z");
    for micros in [i64::MIN, i64::MAX] {
        assert_eq!(print_timestamp(micros), None);
    }
}

#[test]
fn wrong_timestamps_are_refused() {
    for text in [
        "",
        "2026",
        "2026-1-1",
        "2026-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-32",
        "2026-01-01T24:00:00",
        "2026-01-01T12",
        "2026-01-01T12:00:60",
        "2026-01-01T12:00:00.",
        "2026-01-01T12:00:00.1234567",
        "2026-01-01T12:00:00+2",
        "2026-01-01T12:00:00Zx",
        "2026-01-01T12:00:00+24:00",
        "２０２６-01-01",
    ] {
        assert!(parse_timestamp(text).is_err(), "{text}");
    }
}

#[test]
fn intervals_are_read_and_printed() {
    let check = |text: &str, micros: i64, printed: &str| {
        assert_eq!(parse_interval(text), Ok(micros), "{text}");
        assert_eq!(print_interval(micros), printed, "{text}");
        assert_eq!(parse_interval(printed), Ok(micros), "{printed}");
    };
    check("7 days", 7 * DAY, "7 days");
    check("1 hour 30 minutes", 90 * MINUTE, "90 minutes");
    check("-1500ms", -1_500_000, "-1500 milliseconds");
    check("0 s", 0, "0 seconds");
    check("-9223372036854775808 us", i64::MIN, "-9223372036854775808 microseconds");
    for text in ["", "days", "1", "1 month", "1 fortnight", "9999999999999 days", "1 day x"] {
        assert!(parse_interval(text).is_err(), "{text}");
    }
}

#[test]
fn truncation_finds_the_start_of_the_unit() {
    let check = |unit: TimeUnit, from: &str, to: &str| {
        let from = parse_timestamp(from).expect("a timestamp");
        assert_eq!(unit.truncate(from).and_then(print_timestamp).as_deref(), Some(to), "{unit:?}");
    };
    let moment = "1969-11-13T14:15:16.17";
    check(TimeUnit::Second, moment, "1969-11-13T14:15:16Z");
    check(TimeUnit::Minute, moment, "1969-11-13T14:15:00Z");
    check(TimeUnit::Hour, moment, "1969-11-13T14:00:00Z");
    check(TimeUnit::Day, moment, "1969-11-13T00:00:00Z");
    check(TimeUnit::Week, moment, "1969-11-10T00:00:00Z");
    check(TimeUnit::Month, moment, "1969-11-01T00:00:00Z");
    check(TimeUnit::Quarter, moment, "1969-10-01T00:00:00Z");
    check(TimeUnit::Year, moment, "1969-01-01T00:00:00Z");
    check(TimeUnit::Week, "2024-12-30", "2024-12-30T00:00:00Z");
    for (_, unit) in TimeUnit::ALL {
        assert_eq!(unit.truncate(i64::MIN), None, "{unit:?}");
        assert!(unit.truncate(i64::MAX).is_some(), "{unit:?}");
    }
}

#[test]
fn every_day_of_eight_centuries_comes_back() {
    for day in -150_000..150_000 {
        let (year, month, date) = civil(day);
        assert_eq!(days(year, month, date), day);
    }
}

//! Timestamps and intervals: microseconds, their spelling, and the calendar.
//!
//! The calendar is the proleptic Gregorian one, in UTC, without leap seconds.

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// Units of an interval by their plural, longest first; none of them depends on
/// the calendar.
const UNITS: [(&str, i64); 7] = [
    ("weeks", WEEK),
    ("days", DAY),
    ("hours", HOUR),
    ("minutes", MINUTE),
    ("seconds", SECOND),
    ("milliseconds", SECOND / 1_000),
    ("microseconds", 1),
];

/// Other spellings of units.
const SHORT: [(&str, &str); 10] = [
    ("w", "weeks"),
    ("d", "days"),
    ("h", "hours"),
    ("m", "minutes"),
    ("min", "minutes"),
    ("mins", "minutes"),
    ("s", "seconds"),
    ("secs", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
];

/// What `date_trunc` cuts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
}

impl TimeUnit {
    /// All units by name.
    pub const ALL: [(&str, Self); 8] = [
        ("second", Self::Second),
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
    ];

    /// The last moment up to `micros` at which a unit began; weeks begin on Monday.
    /// None if 64 bits do not hold it.
    pub fn truncate(self, micros: i64) -> Option<i64> {
        let day = micros.div_euclid(DAY);
        match self {
            Self::Second => floor(micros, SECOND),
            Self::Minute => floor(micros, MINUTE),
            Self::Hour => floor(micros, HOUR),
            Self::Day => floor(micros, DAY),
            // 1970-01-01 was a Thursday, three days after a Monday.
            Self::Week => (day - (day + 3).rem_euclid(7)).checked_mul(DAY),
            Self::Month | Self::Quarter | Self::Year => {
                let (year, month, _) = civil(day);
                let month = match self {
                    Self::Year => 1,
                    Self::Quarter => (month - 1) / 3 * 3 + 1,
                    Self::Second
                    | Self::Minute
                    | Self::Hour
                    | Self::Day
                    | Self::Week
                    | Self::Month => month,
                };
                days(year, month, 1).checked_mul(DAY)
            }
        }
    }
}

fn floor(micros: i64, unit: i64) -> Option<i64> {
    micros.checked_sub(micros.rem_euclid(unit))
}

/// Days from 1970-01-01 to a date (Howard Hinnant's `days_from_civil`: years begin
/// in March, so that the leap day is the last).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01 (`civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A timestamp as RFC 3339 in UTC; none outside the years 0 to 9999.
pub(crate) fn print_timestamp(micros: i64) -> Option<String> {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    if !(0..=9999).contains(&year) {
        return None;
    }
    let time = micros.rem_euclid(DAY);
    let (hour, minute) = (time / HOUR, time % HOUR / MINUTE);
    let (second, fraction) = (time % MINUTE / SECOND, time % SECOND);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// A timestamp from `2026-01-31`, or that with `T12:00`, `T12:00:00` or up to six
/// digits of a second's fraction, and `Z` (the default) or an offset such as
/// `+02:00`; a space may stand for the `T`.
///
/// # Errors
/// The sentence that says what is wrong.
pub(crate) fn parse_timestamp(text: &str) -> Result<i64, &'static str> {
    const SHAPE: &str = "a timestamp is written 2026-01-31, 2026-01-31T12:00:00Z or \
                         2026-01-31T12:00:00.5+02:00";
    let mut reader = Reader { rest: text.trim() };
    let read = |reader: &mut Reader<'_>| -> Option<[i64; 6]> {
        let year = reader.digits(4)?;
        let month = reader.mark('-')?.digits(2)?;
        let day = reader.mark('-')?.digits(2)?;
        if reader.rest.is_empty() {
            return Some([year, month, day, 0, 0, 0]);
        }
        let separator = reader.rest.chars().next()?;
        if !matches!(separator, 'T' | 't' | ' ') {
            return None;
        }
        let hour = reader.mark(separator)?.digits(2)?;
        let minute = reader.mark(':')?.digits(2)?;
        let second = if reader.rest.starts_with(':') { reader.mark(':')?.digits(2)? } else { 0 };
        Some([year, month, day, hour, minute, second])
    };
    let [year, month, day, hour, minute, second] = read(&mut reader).ok_or(SHAPE)?;
    let fraction = reader.fraction().ok_or("a second has at most six digits behind its point")?;
    let offset = reader.offset().ok_or(SHAPE)?;
    if !(1..=12).contains(&month) || civil(days(year, month, day)) != (year, month, day) {
        return Err("there is no such day in the calendar");
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err("a time of day is 00:00:00 to 23:59:59");
    }
    let time = hour * HOUR + minute * MINUTE + second * SECOND + fraction;
    Ok(days(year, month, day) * DAY + time - offset)
}

/// The part of a timestamp that is still to be read.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn digits(&mut self, len: usize) -> Option<i64> {
        let digits = self.rest.get(..len)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        self.rest = &self.rest[len..];
        digits.parse().ok()
    }

    fn mark(&mut self, mark: char) -> Option<&mut Self> {
        self.rest = self.rest.strip_prefix(mark)?;
        Some(self)
    }

    /// Microseconds of what stands behind a point, if there is one.
    fn fraction(&mut self) -> Option<i64> {
        let Some(rest) = self.rest.strip_prefix('.') else { return Some(0) };
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=6).contains(&len) {
            return None;
        }
        self.rest = &rest[len..];
        format!("{:0<6}", &rest[..len]).parse().ok()
    }

    /// Microseconds that the zone is ahead of UTC; nothing may follow.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.rest {
            "" | "Z" | "z" => return Some(0),
            rest if rest.starts_with('+') => 1,
            rest if rest.starts_with('-') => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.digits(2)?;
        let minutes = self.mark(':')?.digits(2)?;
        let is_offset = self.rest.is_empty() && hours < 24 && minutes < 60;
        is_offset.then_some(sign * (hours * HOUR + minutes * MINUTE))
    }
}

/// An interval as a whole number of its largest exact unit, up to days.
pub(crate) fn print_interval(micros: i64) -> String {
    let unit = UNITS[1..].iter().find(|(_, unit)| micros % unit == 0 && micros != 0);
    let (name, unit) = unit.copied().unwrap_or(("seconds", SECOND));
    format!("{} {name}", micros / unit)
}

/// An interval from one or more of `7 days`, `-1 hour 30 minutes`, `500ms`.
///
/// # Errors
/// The sentence that says what is wrong.
pub(crate) fn parse_interval(text: &str) -> Result<i64, &'static str> {
    let mut rest = text.trim();
    let mut sum = 0_i64;
    loop {
        let negative = rest.starts_with('-');
        let digits_at = usize::from(negative || rest.starts_with('+'));
        let len = rest[digits_at..].bytes().take_while(u8::is_ascii_digit).count();
        let Ok(count) = rest[..digits_at + len].parse::<i64>() else {
            return Err("an interval is written '7 days' or '1 hour 30 minutes'");
        };
        rest = rest[digits_at + len..].trim_start();
        let name_len = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = unit(&rest[..name_len].to_ascii_lowercase())?;
        let part = count.checked_mul(unit).and_then(|part| sum.checked_add(part));
        sum = part.ok_or("the interval is longer than 292,000 years")?;
        rest = rest[name_len..].trim_start();
        if rest.is_empty() {
            return Ok(sum);
        }
    }
}

fn unit(name: &str) -> Result<i64, &'static str> {
    let short = SHORT.iter().find(|(short, _)| *short == name);
    let name = short.map_or(name, |(_, plural)| plural);
    let is_unit = |plural: &str| plural == name || plural.strip_suffix('s') == Some(name);
    match UNITS.iter().find(|(plural, _)| is_unit(plural)) {
        Some((_, unit)) => Ok(*unit),
        None if name.starts_with("month") || name.starts_with("year") => {
            Err("months and years have no fixed length; give days")
        }
        None => Err("the units are weeks, days, hours, minutes, seconds, milliseconds and \
                     microseconds"),
    }
}

#[cfg(test)]
mod tests;

//! The two clocks that the kernel is told: it never reads one itself.

use core::cell::Cell;
use core::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// Wall-clock time: nanoseconds since the Unix epoch, UTC. Tokens, calendars and documents are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Whether the host had a time. Where it had none, it is the end of time.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.0 != u64::MAX
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        i64::try_from(self.0 / 1_000_000_000).unwrap_or(i64::MAX)
    }

    /// Seconds since the Unix epoch with their fraction (to about a microsecond today): the unit of a JWT's NumericDate (RFC 7519 §2).
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a double holds today's nanoseconds to 256 ns, far below what a token can express"
    )]
    pub fn numeric_date(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This time and `later`, or the end of time.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// Monotonic time: nanoseconds since an arbitrary start of the host's. Deadlines, caches and budgets are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This time and `later`, or the end of time.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// The time that passed from `earlier` to this one; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Now, on both clocks. Most decided requests never ask for the monotonic one, which is a host call of its own: it is read at the first use, and once.
pub struct Now<'h> {
    /// The wall clock at the beginning of the callback.
    pub wall: WallTime,
    monotonic: Cell<Option<Monotonic>>,
    read: &'h dyn Fn() -> Monotonic,
}

impl<'h> Now<'h> {
    /// `wall` as it was read, and how to read the monotonic clock.
    #[must_use]
    pub fn new(wall: WallTime, read: &'h dyn Fn() -> Monotonic) -> Self {
        Self {
            wall,
            monotonic: Cell::new(None),
            read,
        }
    }

    /// The monotonic clock, the same value throughout one callback.
    #[must_use]
    pub fn monotonic(&self) -> Monotonic {
        if let Some(known) = self.monotonic.get() {
            return known;
        }
        let now = (self.read)();
        self.monotonic.set(Some(now));
        now
    }
}

/// How long after the Unix epoch a point in time is, which is written as in RFC 3339 §5.6, with its zone: `2026-11-23T18:10:00Z`, `2026-11-23T19:10:00.5+01:00`.
pub(crate) fn rfc3339(text: &str) -> Option<SignedDuration> {
    // Date, time and zone stand where they have to: the parser takes more than that.
    let length = text.len().min(DATE_TIME.len());
    let (_, rest) = text
        .split_at_checked(length)
        .filter(|(time, _)| has_form(time, DATE_TIME))?;
    let fraction = rest.strip_prefix('.').map_or(0, |digits| {
        // Ten are one too many: those behind them make no difference.
        let digits = digits.bytes().take(10).take_while(u8::is_ascii_digit);
        digits.count().saturating_add(1)
    });
    if fraction == 1 || fraction > 10 {
        return None;
    }
    let (local, zone) = text.split_at_checked(length.saturating_add(fraction))?;
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => SignedDuration::ZERO,
        (sign @ ("+" | "-"), offset) if has_form(offset, "00:00") => {
            let (hours, minutes) = offset.split_once(':')?;
            let hours: i64 = hours.parse().ok().filter(|hours| *hours < 24)?;
            let minutes: i64 = minutes.parse().ok().filter(|minutes| *minutes < 60)?;
            let east = SignedDuration::from_secs(hours.saturating_mul(60).saturating_add(minutes).saturating_mul(60));
            if sign == "-" { east.checked_neg()? } else { east }
        }
        _ => return None,
    };
    let local: DateTime = local.parse().ok()?;
    local.duration_since(EPOCH).checked_sub(offset)
}

const DATE_TIME: &str = "0000-00-00T00:00:00";

/// 1970-01-01T00:00:00, UTC.
pub(crate) const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Whether there is a digit for each `0`, and else the same.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

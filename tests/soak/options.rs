//! What is asked for, by the environment.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time that a soak takes where nothing is said.
const DURATION: Duration = Duration::from_secs(10 * 60);

/// A soak as it is asked for.
pub struct Options {
    /// The time for which logins are begun: `SOAK`, in hours or with a unit.
    pub duration: Duration,
    /// The number that all that is random follows from: `JNS_SOAK_SEED`. When threads take turns does not follow.
    pub seed: u64,
    /// The file for the report in JSON: `JNS_SOAK_JSON`.
    pub json: Option<PathBuf>,
    /// Whether a failure and leaks are planted, which must be found: `JNS_SOAK_PLANT=1`, for the soak's own tests.
    pub is_planted: bool,
}

impl Options {
    /// Reads the options of the environment.
    ///
    /// # Errors
    ///
    /// Which variable is not right.
    pub fn of_environment() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let duration = variable("SOAK").map_or(Ok(DURATION), |value| parse_duration(&value))?;
        let seed = variable("JNS_SOAK_SEED").map_or_else(|| Ok(any_seed()), |value| value.parse());
        Ok(Self {
            duration,
            seed: seed.map_err(|e| format!("cannot read JNS_SOAK_SEED: {e}"))?,
            json: variable("JNS_SOAK_JSON").map(PathBuf::from),
            is_planted: variable("JNS_SOAK_PLANT").is_some_and(|value| value == "1"),
        })
    }
}

/// A time as "2" (hours) or "10m". It is not nothing.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let with_unit = match text.parse::<u32>() {
        Ok(hours) => format!("{hours}h"),
        Err(_) => text.to_owned(),
    };
    match humantime::parse_duration(&with_unit) {
        Ok(Duration::ZERO) => Err("cannot read SOAK: it is no time at all".to_owned()),
        Ok(duration) => Ok(duration),
        Err(e) => Err(format!("cannot read SOAK: {e}")),
    }
}

fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs() << 20) % 1_000_000_000
}

/// Values of `SOAK`, and what they are in seconds.
pub fn durations_are_read() {
    for (text, seconds) in [("2", 7200), ("10m", 600), ("90s", 90), ("1h 30m", 5400)] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_secs(seconds)),
            "{text}"
        );
    }
    for text in ["0", "0s", "soon", "-1", "10 parsecs"] {
        let reason = parse_duration(text).unwrap_err();
        assert!(reason.starts_with("cannot read SOAK: "), "{text}: {reason}");
    }
}

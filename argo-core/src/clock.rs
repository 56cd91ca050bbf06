//! One [`Clock`] in three forms: system, virtual, scaled.
//!
//! | form | `now()` | `sleep` | for |
//! |---|---|---|---|
//! | [`Clock::system`] | the machine's | real | production |
//! | [`Clock::virtual_at`] | a start plus tokio's (paused) time | free when the runtime is idle | tests and simulations without real I/O |
//! | [`Clock::scaled`] | runs `factor` times as fast | shortened by `factor` | what touches real git, processes or sockets |

use std::{fmt, sync::Arc, time::Duration};

use crate::time::{self, Timestamp};

/// The only source of time for everything that runs. Clones share one clock.
#[derive(Clone)]
pub struct Clock(Arc<Form>);

enum Form {
    System,
    #[cfg(feature = "runtime")]
    Virtual {
        start: Timestamp,
        origin: tokio::time::Instant,
    },
    Scaled {
        epoch: Timestamp,
        factor: f64,
    },
    CatchingUp {
        meets: Timestamp,
        factor: f64,
    },
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Form::System))
    }

    /// Starts at `start` and follows tokio's clock. Under `tokio::time::pause` (or
    /// `start_paused`) time jumps to the next timer whenever nothing else is to be done.
    ///
    /// Must be called inside a tokio runtime for pausing to have an effect.
    #[cfg(feature = "runtime")]
    #[must_use]
    pub fn virtual_at(start: Timestamp) -> Self {
        Self(Arc::new(Form::Virtual { start, origin: tokio::time::Instant::now() }))
    }

    /// Starts at the machine's time and runs `factor` times as fast (`factor` ≤ 0 or not finite means 1).
    #[must_use]
    pub fn scaled(factor: f64) -> Self {
        Self::scaled_since(Timestamp::now(), factor)
    }

    /// Agrees with the machine's clock at `epoch` and runs `factor` times as fast from there: two
    /// processes with the same arguments, or one before and after a restart, tell the same time.
    #[must_use]
    pub fn scaled_since(epoch: Timestamp, factor: f64) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Self(Arc::new(Form::Scaled { epoch, factor }))
    }

    /// Runs `factor` times as fast until it meets the machine's clock at `meets`, and with it from
    /// there: what happened fast lies in the past for everybody who looks at it later.
    #[must_use]
    pub fn catching_up(meets: Timestamp, factor: f64) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Self(Arc::new(Form::CatchingUp { meets, factor }))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Form::System => Timestamp::now(),
            #[cfg(feature = "runtime")]
            Form::Virtual { start, origin } => time::after(*start, origin.elapsed()),
            Form::CatchingUp { meets, factor } => {
                let real = Timestamp::now();
                let behind = time::between(real, *meets);
                time::before(real.max(*meets), behind.mul_f64(*factor))
            }
            Form::Scaled { epoch, factor } => {
                time::after(*epoch, time::between(*epoch, Timestamp::now()).mul_f64(*factor))
            }
        }
    }

    /// Whether time may jump while nothing is to be done: then whoever waits for what is no timer (a disk, another
    /// thread) must not leave the runtime idle meanwhile.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        match &*self.0 {
            #[cfg(feature = "runtime")]
            Form::Virtual { .. } => true,
            _ => false,
        }
    }

    /// How long `duration` of this clock takes in real (or tokio's) time.
    #[must_use]
    pub fn real(&self, duration: Duration) -> Duration {
        match &*self.0 {
            Form::Scaled { factor, .. } => duration.div_f64(*factor),
            Form::CatchingUp { meets, factor } => {
                let left = time::between(Timestamp::now(), *meets);
                let fast = left.mul_f64(*factor);
                if duration <= fast { duration.div_f64(*factor) } else { left + (duration - fast) }
            }
            _ => duration,
        }
    }

    /// Waits for `duration` of this clock.
    #[cfg(feature = "runtime")]
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.real(duration)).await;
    }

    /// Waits until `now()` is not before `at`.
    #[cfg(feature = "runtime")]
    pub async fn sleep_until(&self, at: Timestamp) {
        loop {
            let now = self.now();
            if now >= at {
                return;
            }
            // A millisecond is tokio's grain: never spin on a remainder below it.
            self.sleep(time::between(now, at).max(self.grain())).await;
        }
    }

    #[cfg(feature = "runtime")]
    fn grain(&self) -> Duration {
        match &*self.0 {
            Form::Scaled { factor, .. } | Form::CatchingUp { factor, .. } => Duration::from_millis(1).mul_f64(*factor),
            _ => Duration::from_millis(1),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Form::System => f.write_str("Clock::System"),
            #[cfg(feature = "runtime")]
            Form::Virtual { start, .. } => write!(f, "Clock::Virtual(from {start})"),
            Form::Scaled { factor, .. } => write!(f, "Clock::Scaled(x{factor})"),
            Form::CatchingUp { meets, factor } => write!(f, "Clock::CatchingUp(x{factor} until {meets})"),
        }
    }
}

#[cfg(all(test, feature = "runtime"))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_virtual_time_costs_nothing() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::virtual_at(start);
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(time::between(start, clock.now()).as_secs(), 3600);
        let at = time::after(clock.now(), Duration::from_micros(1500));
        clock.sleep_until(at).await;
        assert!(clock.now() >= at);
    }

    #[test]
    fn a_clock_that_catches_up_starts_in_the_past_and_ends_with_the_machines() {
        let real = Timestamp::now();
        let fast = Clock::catching_up(time::after(real, Duration::from_secs(60)), 20.0);
        let behind = time::between(fast.now(), real).as_secs_f64();
        assert!((behind - 1140.0).abs() < 20.0, "{behind}");
        assert_eq!(fast.real(Duration::from_secs(20)), Duration::from_secs(1));
        let met = Clock::catching_up(real, 20.0);
        assert_eq!(met.real(Duration::from_secs(20)), Duration::from_secs(20));
        assert!(time::between(real, met.now()).as_secs() < 5);
    }

    #[test]
    fn a_scaled_clock_shortens_waits() {
        assert_eq!(Clock::scaled(60.0).real(Duration::from_secs(60)), Duration::from_secs(1));
        assert_eq!(Clock::scaled(0.0).real(Duration::from_secs(5)), Duration::from_secs(5));
    }
}

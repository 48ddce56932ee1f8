//! The circuit breaker before the gateway: while that is down, calls are held back, not made.
//! It never fails a saga: what was held back was not tried, and costs no attempt.

use std::time::{Duration, Instant};

use metrics::gauge;
use parking_lot::Mutex;

use super::{GatewayError, Operation};

/// When calls are held back, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// So many calls in a row without a usable answer open it; 5 by default.
    pub failures: u32,
    /// The longest pause between two trial calls while it is open; 30 s by default. The first is a
    /// thirtieth of it, and each trial that fails doubles the next.
    pub longest_pause: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, longest_pause: Duration::from_secs(30) }
    }
}

/// One for each gateway and process.
#[derive(Debug)]
pub(super) struct Breaker {
    config: BreakerConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Calls are made; so many in a row have failed.
    Closed { failures: u32 },
    /// Calls are held back until then; afterwards one is let through as a trial.
    Open { until: Instant, pause: Duration, has_trial: bool, held: u32 },
}

/// Leave to make one call.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    operation: Operation,
    is_trial: bool,
}

impl Breaker {
    pub(super) fn new(config: BreakerConfig) -> Self {
        show(false);
        Self { config, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Leave to make a call, or when to ask again.
    pub(super) fn admit(&self, operation: Operation) -> Result<Pass<'_>, GatewayError> {
        let is_trial = match &mut *self.state.lock() {
            State::Closed { .. } => false,
            State::Open { until, pause, has_trial, held } => {
                let left = until.saturating_duration_since(Instant::now());
                if *has_trial || !left.is_zero() {
                    // Spread, so that those who wait do not all come back in one instant.
                    *held = held.wrapping_add(1);
                    let after = left + *pause / 8 * (1 + *held % 4);
                    return Err(GatewayError::held(operation, after));
                }
                *has_trial = true;
                true
            }
        };
        Ok(Pass { breaker: self, operation, is_trial })
    }

    /// A call had no usable answer: how long the others wait now, if they do.
    fn fail(&self, error: &GatewayError, is_trial: bool) -> Duration {
        let asked = error.retry_after().unwrap_or_default();
        let mut state = self.state.lock();
        let pause = match &mut *state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                let is_sure = matches!(error, GatewayError::Misconfigured { .. });
                if !is_sure && *failures < self.config.failures {
                    return Duration::ZERO;
                }
                show(true);
                tracing::error!(%error, "the gateway's circuit is open: calls are held back");
                self.config.longest_pause / 30
            }
            // A call that began before it opened says nothing new.
            State::Open { until, .. } if !is_trial => {
                return until.saturating_duration_since(Instant::now());
            }
            State::Open { pause, .. } => (*pause * 2).min(self.config.longest_pause),
        };
        let wait = pause.max(asked);
        *state = State::Open { until: Instant::now() + wait, pause, has_trial: false, held: 0 };
        wait
    }

    fn succeed(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Open { .. }) {
            show(false);
            tracing::info!("the gateway answers again");
        }
        *state = State::Closed { failures: 0 };
    }
}

impl Pass<'_> {
    /// Says how the call ended. What a trial met is the outage, not its caller's fault: unless it
    /// may have had an effect, it counts as held back too.
    pub(super) fn report<T>(self, answer: Result<T, GatewayError>) -> Result<T, GatewayError> {
        let error = match answer {
            Err(error) if error.is_outage() => error,
            // Whatever the gateway says: it is there.
            answer => {
                self.breaker.succeed();
                return answer;
            }
        };
        let after = self.breaker.fail(&error, self.is_trial);
        Err(match (error, self.is_trial) {
            (GatewayError::Unavailable { .. } | GatewayError::Misconfigured { .. }, true) => {
                GatewayError::Held { operation: self.operation, after }
            }
            (error, _) => error,
        })
    }
}

impl Drop for Pass<'_> {
    /// A caller who gave up says nothing about the gateway: the next one tries.
    fn drop(&mut self) {
        if let State::Open { has_trial, .. } = &mut *self.breaker.state.lock()
            && self.is_trial
        {
            *has_trial = false;
        }
    }
}

fn show(is_open: bool) {
    gauge!("makegood_gateway_circuit_open").set(if is_open { 1.0 } else { 0.0 });
    makegood::note("gateway", is_open.then_some("it does not answer, or asks for a pause"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(300);

    fn breaker() -> Breaker {
        Breaker::new(BreakerConfig { failures: 3, longest_pause: LONGEST })
    }

    fn down() -> Result<(), GatewayError> {
        Err(GatewayError::unavailable(Operation::GetPayment, "no connection"))
    }

    fn call(breaker: &Breaker, answer: Result<(), GatewayError>) -> Result<(), GatewayError> {
        breaker.admit(Operation::GetPayment)?.report(answer)
    }

    fn is_held(answer: &Result<(), GatewayError>) -> bool {
        matches!(answer, Err(GatewayError::Held { .. }))
    }

    /// Waits until a trial is let through.
    fn trial(breaker: &Breaker) -> Pass<'_> {
        let begun = Instant::now();
        loop {
            if let Ok(pass) = breaker.admit(Operation::GetPayment) {
                return pass;
            }
            assert!(begun.elapsed() < LONGEST * 10, "a trial is let through in the end");
            std::thread::yield_now();
        }
    }

    // RES-01
    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_trial_through() {
        let breaker = breaker();
        for _ in 0..2 {
            assert_eq!(call(&breaker, down()), down(), "the failure is the caller's");
        }
        assert_eq!(call(&breaker, Ok(())), Ok(()), "an answer forgives");
        for _ in 0..3 {
            assert_eq!(call(&breaker, down()), down());
        }
        assert!(is_held(&call(&breaker, Ok(()))), "three in a row open it");
        let pass = trial(&breaker);
        assert!(is_held(&call(&breaker, Ok(()))), "one trial at a time");
        assert!(is_held(&pass.report(down())), "a trial's failure is the outage's");
        assert!(is_held(&call(&breaker, Ok(()))), "and it is still open");
        assert_eq!(trial(&breaker).report(Ok(())), Ok(()), "an answer closes it");
        assert_eq!(call(&breaker, Ok(())), Ok(()));
    }

    #[test]
    fn a_trial_that_may_have_had_an_effect_says_so_and_one_given_up_frees_its_place() {
        let breaker = breaker();
        for _ in 0..3 {
            call(&breaker, down()).expect_err("it is down");
        }
        drop(trial(&breaker));
        let doubt = GatewayError::unclear(Operation::CreateOrder, "no answer");
        assert_eq!(trial(&breaker).report::<()>(Err(doubt.clone())), Err(doubt));
        assert!(is_held(&call(&breaker, Ok(()))), "and it stays open");
    }

    #[test]
    fn wrong_keys_open_it_at_once_and_a_refusal_never() {
        let breaker = breaker();
        let refusal = || GatewayError::Rejected {
            operation: Operation::Refund,
            status: Some(400),
            code: "BAD_REQUEST_ERROR".to_owned(),
            reason: None,
            description: None,
        };
        for _ in 0..9 {
            assert_eq!(call(&breaker, Err(refusal())), Err(refusal()), "it is there, and says no");
        }
        let keys = GatewayError::misconfigured("keys not accepted");
        assert_eq!(call(&breaker, Err(keys.clone())), Err(keys.clone()), "one caller tells");
        assert!(is_held(&call(&breaker, Ok(()))), "the others wait");
        assert!(is_held(&trial(&breaker).report(Err(keys))), "trials too, until it is repaired");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let breaker = breaker();
        for _ in 0..3 {
            call(&breaker, down()).expect_err("it is down");
        }
        let mut waits = Vec::new();
        for _ in 0..7 {
            let Err(GatewayError::Held { after, .. }) = trial(&breaker).report(down()) else {
                panic!("a trial of an outage is held back");
            };
            waits.push(after.as_millis());
        }
        assert_eq!(waits, [20, 40, 80, 160, 300, 300, 300]);
    }
}

//! Interleaved timing: in every round each lane runs once, so that whatever
//! disturbs the machine disturbs all of them, and ratios are paired by round.

use std::time::{Duration, Instant};

use crate::{
    allocations,
    steps::{self, Steps},
};

/// One competitor.
pub struct Lane<'a> {
    pub name: &'static str,
    run: Box<dyn FnMut(usize) + 'a>,
}

impl<'a> Lane<'a> {
    /// `run` makes as many calls as it is told.
    pub fn new(name: &'static str, run: impl FnMut(usize) + 'a) -> Lane<'a> {
        Lane { name, run: Box::new(run) }
    }

    fn time(&mut self, calls: usize) -> Duration {
        let start = Instant::now();
        (self.run)(calls);
        start.elapsed()
    }

    /// What one more call executes.
    pub fn steps(&mut self) -> Steps {
        (self.run)(1); // whatever happens the first time only
        let one = steps::during(|| (self.run)(1));
        steps::during(|| (self.run)(2)) - one
    }

    /// How often this many calls allocate.
    pub fn allocations(&mut self, calls: usize) -> usize {
        allocations::during(|| (self.run)(calls))
    }
}

/// Nanoseconds per call of one lane, round by round.
pub struct Times {
    pub name: &'static str,
    rounds: Vec<f64>,
}

impl Times {
    pub fn median(&self) -> f64 {
        median(self.rounds.iter().copied())
    }

    /// The median over all rounds of the quotient within the round.
    pub fn ratio(&self, to: &Times) -> f64 {
        median(self.rounds.iter().zip(&to.rounds).map(|(a, b)| a / b))
    }
}

/// Runs all lanes in every round, each time beginning with another one.
pub fn race(lanes: &mut [Lane], rounds: usize, calls: usize) -> Vec<Times> {
    let mut times: Vec<Times> =
        lanes.iter().map(|lane| Times { name: lane.name, rounds: Vec::new() }).collect();
    for lane in &mut *lanes {
        (lane.run)(calls); // warm up
    }
    for round in 0..rounds {
        for i in 0..lanes.len() {
            let lane = (round + i) % lanes.len();
            let elapsed = lanes[lane].time(calls);
            times[lane].rounds.push(elapsed.as_nanos() as f64 / calls as f64);
        }
    }
    times
}

/// The middle one of these numbers.
pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The geometric mean.
pub fn mean(numbers: &[f64]) -> f64 {
    (numbers.iter().map(|x| x.ln()).sum::<f64>() / numbers.len() as f64).exp()
}

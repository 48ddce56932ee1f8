//! What the engine's parts cost in memory: reading a claimed record, replaying it, driving a run
//! through its turns, turning rows into columns. `cargo bench -p makegood-bench`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at the first fault")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use makegood::microbench::Bench;
use makegood::{
    Activity, ActivityResult, Attempt, Ctx, Outside, Registry, Workflow, WorkflowResult,
};

/// Answers as much as a gateway's order id and status.
struct Nothing;

impl Activity for Nothing {
    const NAME: &'static str = "nothing";
    type Kind = Outside;
    type Input = ();
    type Output = String;

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<String> {
        Ok(String::new())
    }
}

struct Steps;

impl Workflow for Steps {
    const NAME: &'static str = "steps";
    type Input = usize;
    type Output = usize;

    async fn run(ctx: Ctx, steps: usize) -> WorkflowResult<usize> {
        let mut length = 0_usize;
        for _ in 0..steps {
            length = length.saturating_add(ctx.step::<Nothing>(&()).await?.len());
        }
        Ok(length)
    }
}

fn of(steps: usize) -> Bench {
    let registry = Registry::new().workflow::<Steps>().activity(Nothing);
    Bench::of::<Steps>(registry, &steps, &"o".repeat(50)).unwrap()
}

fn parts(criterion: &mut Criterion) {
    for steps in [4_usize, 100, 1_000] {
        let bench = of(steps);
        // One step is left, so that a replay comes to something to do.
        let record = bench.record(Nothing::NAME, steps.saturating_sub(1));
        assert!(bench.replay(&record), "the record fits the program");
        let driven = bench.drive();
        assert!(driven.rows() >= steps, "each step is recorded");
        let mut group = criterion.benchmark_group("parts");
        group.throughput(Throughput::Elements(u64::try_from(steps).unwrap()));
        let id = |part| BenchmarkId::new(part, steps);
        group.bench_function(id("claim"), |b| b.iter(|| Bench::read(black_box(&record))));
        group.bench_function(id("replay"), |b| b.iter(|| bench.replay(black_box(&record))));
        group.bench_function(id("turns"), |b| b.iter(|| bench.drive().rows()));
        group.bench_function(id("encode"), |b| b.iter(|| driven.encode()));
        group.finish();
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);

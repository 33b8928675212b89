//! Runs random blocks on every executor and compares each result, byte by byte, with an independent interpreter.
//!
//! `cargo run -p replicode-stm --release --example equal -- --blocks 1000000 --threads 1,2,3,4,8 --windows 1,16,64`
//! `--seed S` starts elsewhere, `--only S` repeats one block, `--modes` picks from plain,chaos,seeded,alternate,group,auto.

#[path = "../tests/program/mod.rs"]
mod program;

use program::{execute, interpret, quiet_panics, random_program};
use replicode_stm::{Builder, Mode, Stm};

fn usage(why: &str) -> ! {
    eprintln!(
        "{why}\nusage: equal [--blocks N] [--seed S | --only S] [--threads 1,2,3,4,8] [--windows 1,16,64] [--txs 64] [--modes plain,chaos,...]"
    );
    std::process::exit(2)
}

fn main() {
    let (mut blocks, mut first, mut txs) = (10_000u64, 0u64, 64u64);
    let mut threads = vec![1usize, 2, 3, 4, 8];
    let mut windows = vec![1usize, 2, 16, 64];
    let mut modes: Vec<String> = ["plain", "chaos", "seeded", "alternate", "group", "auto"].map(String::from).to_vec();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        let number = || value.parse::<u64>().unwrap_or_else(|_| usage(&format!("{arg} needs a number, not {value}")));
        let list = || {
            value
                .split(',')
                .map(|v| v.parse().unwrap_or_else(|_| usage(&format!("{arg} needs numbers, not {value}"))))
                .collect()
        };
        match arg.as_str() {
            "--blocks" => blocks = number(),
            "--seed" => first = number(),
            "--only" => (first, blocks) = (number(), 1),
            "--txs" => txs = number().max(1),
            "--threads" => threads = list(),
            "--windows" => windows = list(),
            "--modes" => modes = value.split(',').map(String::from).collect(),
            _ => usage(&format!("unknown option {arg}")),
        }
    }
    quiet_panics();
    let mut totals = (0u64, 0u64, 0u64);
    for seed in first..first + blocks {
        let p = random_program(seed, txs);
        let want = interpret(&p);
        // Every block meets every mode in turn, and all thread counts and windows over a few blocks.
        let mode = &modes[seed as usize % modes.len()];
        let turn = seed as usize / modes.len();
        let (t, w) = (threads[turn % threads.len()], windows[turn / threads.len() % windows.len()]);
        let base = Stm::builder().threads(t).window(w).mode(Mode::Speculative);
        let audited = base.clone().audit(true);
        let builder: Builder = match mode.as_str() {
            "plain" => audited,
            "chaos" => audited.chaos(seed),
            "seeded" => base.seeded(seed, t).chaos(seed).audit(true),
            "alternate" => audited.mode(Mode::Alternate(1 + (seed % 9) as u32)),
            "group" => audited.group_certification(true),
            "auto" => base.mode(Mode::Auto),
            other => usage(&format!("unknown mode {other}")),
        };
        let (got, stats) = execute(&p, &builder, 1 + (seed % 3) as usize);
        totals = (totals.0 + 1, totals.1 + stats.transactions, totals.2 + stats.executions);
        if got != want || stats.audit_failures > 0 {
            println!(
                "DIFFERENT: seed {seed}, mode {mode}, {t} threads, window {w}, audit failures {}",
                stats.audit_failures
            );
            println!("want {want:?}\n got {got:?}\nprogram {p:#?}");
            std::process::exit(1);
        }
        if (seed + 1 - first) % 10_000 == 0 {
            println!("{} blocks equal", seed + 1 - first);
        }
    }
    println!(
        "{} blocks equal: {} transactions, {} speculative executions, threads {threads:?}, windows {windows:?}, modes {modes:?}",
        totals.0, totals.1, totals.2
    );
}

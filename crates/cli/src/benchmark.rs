//! `monitorctl benchmark`: the production code over the data sets of its field.

mod nab;
mod petshop;

use clap::{Args, Subcommand};

use crate::command::Exit;

/// Run the production code over a public data set and write what its scorer reads.
#[derive(Debug, Args)]
pub struct BenchmarkArgs {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Anomaly detection, on the Numenta Anomaly Benchmark
    Nab(nab::NabArgs),
    /// The diagnosis: rank the causes of every issue of a public data set (Hardt et al. 2023)
    Petshop(petshop::PetshopArgs),
}

/// Runs the benchmark that was asked for.
pub fn run(args: &BenchmarkArgs, json: bool) -> Result<u8, Exit> {
    match &args.benchmark {
        Benchmark::Nab(args) => nab::run(args, json),
        Benchmark::Petshop(args) => petshop::run(args, json),
    }
}

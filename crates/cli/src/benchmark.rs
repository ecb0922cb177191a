//! `monitorctl benchmark`: how good the suite's judgement is on public data.

mod petshop;

use clap::{Args, Subcommand};

use crate::command::Exit;

/// Measure the suite's judgement on public data.
#[derive(Debug, Args)]
pub struct BenchmarkArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Rank the causes of every issue of Petshop (Hardt et al. 2023)
    Petshop(petshop::PetshopArgs),
}

/// Runs the command.
pub fn run(args: &BenchmarkArgs, json: bool) -> Result<u8, Exit> {
    match &args.command {
        Command::Petshop(args) => petshop::run(args, json),
    }
}

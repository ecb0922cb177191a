//! `monitorctl dashboards render`: each dashboard as a picture, drawn from sample data.

mod picture;
mod sample;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::catalogue::command::FileArgs;
use crate::catalogue::{Loaded, load_deployment};
use crate::command::{Exit, OK, pretty, print};
use sample::SampleData;

/// Look at dashboards without AWS.
#[derive(Debug, Args)]
pub struct DashboardsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw each dashboard of the catalogue as DIR/NAME.svg, from the data of `local --simulate`
    #[command(after_help = "\
The layout is the one that CloudWatch shows. Each is drawn at the moment of the simulation at which most of what it watches is wrong.
A metric that the simulation does not know has no data.")]
    Render {
        #[command(flatten)]
        file: FileArgs,
        /// Folder of the pictures; it is made where there is none
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: &DashboardsArgs, json: bool) -> Result<u8, Exit> {
    let Command::Render { file: FileArgs { file }, out } = &args.command;
    let Loaded { catalogue, boards, .. } = load_deployment(file).map_err(Exit::usage)?;
    if boards.is_empty() {
        return Err(Exit::refused(format!("{} has no dashboards; add them under `dashboards:`", file.display())));
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display())).map_err(Exit::usage)?;
    let data = SampleData::new(&catalogue)?;
    let mut files = Vec::new();
    for board in &boards {
        let at = data.worst_moment(board);
        let path = out.join(format!("{}.svg", board.name));
        write(&path, &picture::draw(board, &catalogue, &data, at))?;
        files.push((path, at));
    }
    if json {
        let files: Vec<_> = files.iter().map(|(path, at)| json!({ "file": path, "at": at })).collect();
        print(&pretty(&files)?);
    } else {
        let lines: Vec<String> = files.iter().map(|(path, at)| format!("{}  as of {at}\n", path.display())).collect();
        print(&lines.concat());
    }
    Ok(OK)
}

fn write(path: &Path, text: &str) -> Result<(), Exit> {
    std::fs::write(path, text).map_err(|error| Exit::usage(anyhow!("cannot write {}: {error}", path.display())))
}

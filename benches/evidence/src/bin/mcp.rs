//! Sessions of an MCP server, rmcp's and turnwise-rmcp's: `just evidence mcp`. `--keep` writes docs/why.md and README.md; `--rounds=N` is for
//! fewer or more of them.

use std::{env, error::Error};
use turnwise_evidence::{
    mcp::{Size, table},
    page, rounds,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let rounds = rounds::asked(&args, "--rounds", 4)?;
    let server = env::current_exe()?.with_file_name("mcp-server");
    let size = Size {
        kills: 100,
        sessions: 6,
        bursts: 50,
        each: 10,
    };
    let results = table::measure(&server, size, rounds).map_err(|error| error.to_string())?;
    page::publish(&table::evidence(&results, rounds), &args)
}

//! The registry side by side with what people use instead: `just bench`.
//!
//! Times are ratios to the floor (parking_lot's locks by hand, std's map), taken in one run; see `measure`.

mod contenders;
mod map;
mod measure;
mod workloads;

fn main() {
    for table in workloads::tables() {
        println!("\n{}", table.name);
        for line in table.lines {
            println!(
                "  {:<32} {:>7.2}  ({:.2} to {:.2})  {:>8.1} {}  again {}",
                line.name,
                line.ratio,
                line.quartiles.0,
                line.quartiles.1,
                line.nanos,
                table.unit,
                line.again
            );
        }
    }
}

//! What goes wrong with what people use today, measured beside turnwise. Each module has one table of docs/why.md.

pub mod mcp;
pub mod page;
pub mod repl;
pub mod rounds;
pub mod sqlite;

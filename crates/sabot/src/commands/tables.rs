//! `tables`: list, get and scan.

use crate::cli::{ScanArgs, TablesCommand};
use crate::client::{Asked, Client, Query};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, column};

const LIST: [Column; 6] = [
    column("name", "name", Show::Text),
    column("backend", "backend", Show::Text),
    column("key", "key", Show::Text),
    column("rows", "rows", Show::Count),
    column("size", "bytes", Show::Bytes),
    column("writer", "writer", Show::Text),
];

pub(super) fn run(command: TablesCommand, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    match command {
        TablesCommand::List => printer.show_list("tables", &client.get_list(&["tables"], &Query::new())?, &LIST),
        TablesCommand::Get { name, key } => printer.show_row(&client.row(&["tables", &name, "rows", &key])?),
        TablesCommand::Scan(args) => scan(&args, client, printer),
    }
}

fn scan(args: &ScanArgs, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let query = vec![("limit", args.limit.to_string())];
    let (_, rows) = client.rows(&["tables", &args.name, "rows"], Asked::Get(query))?;
    printer.show_rows(&rows)
}

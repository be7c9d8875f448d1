//! Shows where the values of a signature go:
//!
//! ```text
//! cargo run --example explain -- '(i32, f64, v128) -> (i32, i64)'
//! cargo run --example explain -- --c '(ptr, {f64, i32}, ...f64) -> {f32, f32}'
//! cargo run --example explain -- --abi all '({f32, f32}) -> {i64, i64, i64}'
//! ```

use std::{
    error::Error,
    process::{ExitCode, exit},
};

use lexopt::prelude::*;
use vmtrampoline::{Abi, Layout, Signature};

const USAGE: &str = "\
usage: explain [--c | --abi NAME] SIGNATURE

Prints the layout table and the frame picture of a signature.

  --c           plain C instead of the VM convention
  --abi NAME    the convention by name, or `all` to see all of them side by side
  SIGNATURE     such as '(i32, f64) -> (i64, f32)'";

#[derive(Default)]
struct Options {
    c: bool,
    abi: Option<String>,
    signature: String,
}

fn options() -> Result<Options, lexopt::Error> {
    let mut options = Options::default();
    let (mut parser, mut signature) = (lexopt::Parser::from_env(), None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("c") => options.c = true,
            Long("abi") => options.abi = Some(parser.value()?.string()?),
            Short('h') | Long("help") => {
                println!("{USAGE}");
                exit(0);
            }
            Value(value) if signature.is_none() => signature = Some(value.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    options.signature = signature.ok_or("no signature; see --help")?;
    if options.c && options.abi.is_some() {
        return Err("--c and --abi exclude each other".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    match options().map_err(Into::into).and_then(|options| run(&options)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("explain: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let signature: Signature = options.signature.parse()?;
    let abi = match options.abi.as_deref() {
        Some("all") => return Ok(side_by_side(&signature)),
        Some(name) => Abi::from_name(name).ok_or_else(|| {
            let names: Vec<_> = Abi::ALL.iter().map(Abi::name).collect();
            format!("no convention {name:?}; there are all, {}", names.join(", "))
        })?,
        None => {
            // What the VM convention cannot pass is C.
            let vm = Abi::HOST_VM.filter(|abi| !options.c && Layout::new(&signature, abi).is_ok());
            let host = vm.or(Abi::HOST_C);
            host.ok_or("no convention is known for this machine; name one with --abi")?
        }
    };
    Ok(format!("{:#}", Layout::new(&signature, abi)?))
}

/// A column per convention, a row per value.
fn side_by_side(signature: &Signature) -> String {
    let layouts: Vec<_> = Abi::ALL.iter().map(|abi| (abi, Layout::new(signature, abi))).collect();
    // A column is as wide as what is in it.
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row = |name: String, cell: &dyn Fn(&Layout) -> String| {
        let cell = |layout: &Result<Layout, _>| layout.as_ref().map_or_else(|_| "-".into(), cell);
        rows.push((name, layouts.iter().map(|(_, layout)| cell(layout)).collect()));
    };
    for (i, ty) in signature.params().iter().enumerate() {
        row(format!("p{i} {ty}"), &|layout| layout.params()[i].to_string());
    }
    if layouts.iter().flat_map(|(_, layout)| layout).any(|layout| layout.return_pointer().is_some())
    {
        row("return pointer".into(), &|layout| {
            layout.return_pointer().map_or_else(String::new, |location| location.to_string())
        });
    }
    for (i, ty) in signature.results().iter().enumerate() {
        row(format!("r{i} {ty}"), &|layout| layout.results()[i].to_string());
    }
    if signature.named().is_some() {
        row("vector registers".into(), &|layout| {
            layout.vector_registers().map_or_else(String::new, |count| format!("{count} in al"))
        });
    }
    row("argument area".into(), &|layout| layout.argument_area().to_string());
    row("return area".into(), &|layout| layout.return_area().to_string());

    let mut text = format!("{signature}\n\n");
    let first = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut line = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let mut line = format!("{name:first$}");
        for (i, cell) in cells.enumerate() {
            let cells = rows.iter().map(|(_, cells)| cells[i].len());
            let width = cells.chain([Abi::ALL[i].name().len(), 10]).max().unwrap_or(0);
            line += &format!("  {cell:width$}");
        }
        text += line.trim_end();
        text.push('\n');
    };
    line("", &mut Abi::ALL.iter().map(Abi::name));
    for (name, cells) in &rows {
        line(name, &mut cells.iter().map(String::as_str));
    }
    for (abi, layout) in &layouts {
        if let Err(error) = layout {
            text += &format!("\n{abi}: {error}");
        }
    }
    text.trim_end().to_owned() + "\n"
}

//! Shows where the values of a signature go:
//!
//! ```text
//! cargo run --example explain -- '(i32, f64, v128) -> (i32, i64)'
//! ```

use std::{error::Error, process::ExitCode};

use clap::Parser;
use vmtrampoline::{Abi, Layout, Location, Signature};

/// Print the layout table and the frame picture of a signature.
#[derive(Parser)]
struct Options {
    /// Plain C instead of the VM convention.
    #[arg(long, conflicts_with = "abi")]
    c: bool,
    /// The convention by name, or `all` to see all of them side by side.
    #[arg(long, value_name = "NAME")]
    abi: Option<String>,
    /// The signature, such as '(i32, f64) -> (i64, f32)'.
    signature: String,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
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
            let host = if options.c { Abi::HOST_C } else { Abi::HOST_VM };
            host.ok_or("no convention is known for this machine; name one with --abi")?
        }
    };
    let layout = Layout::new(&signature, abi)?;
    Ok(format!("{layout}\n{}", frame(&layout)))
}

/// The stack at the call instruction, high addresses first.
fn frame(layout: &Layout) -> String {
    let line = "+------------------------+\n";
    let mut text = String::from("the stack at the call\n\n");
    let mut word = |offset: Option<u32>, name: String, line_after: bool| {
        let label = offset.map_or(String::new(), |offset| format!("sp + {offset}"));
        text += &format!("  {label:>10}  | {name:<22} |\n");
        if line_after {
            text += &format!("  {:>10}  {line}", "");
        }
    };
    word(None, "caller's frame".into(), true);
    if layout.return_area() > 0 {
        let results = layout.results().iter().enumerate().rev();
        for (i, location) in results {
            if let Location::ReturnArea(offset) = location {
                let ty = layout.signature().results()[i];
                word(None, format!("r{i} {ty}, area + {offset}"), *offset == 0);
            }
        }
    }
    let params = layout.params().iter().zip(layout.signature().params()).enumerate();
    let mut words: Vec<(u32, String)> = params
        .filter_map(|(i, (location, ty))| match location {
            Location::Stack(offset) => Some((*offset, format!("p{i} {ty}"))),
            _ => None,
        })
        .collect();
    if let Some(Location::Stack(offset)) = layout.return_pointer() {
        words.push((offset, "return pointer".into()));
    }
    words.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
    for (offset, name) in words {
        word(Some(offset), name, false);
    }
    text += &format!("  {:>10}  {line}", "sp");
    text
}

/// A column per convention, a row per value.
fn side_by_side(signature: &Signature) -> String {
    let layouts: Vec<_> = Abi::ALL.iter().map(|abi| (abi, Layout::new(signature, abi))).collect();
    let names: String = Abi::ALL.iter().map(|abi| format!("  {:10}", abi.name())).collect();
    let mut text = format!("{signature}\n\n{:16}{names}\n", "");
    let mut row = |name: &str, cell: &dyn Fn(&Layout) -> String| {
        let cells = layouts.iter().map(|(abi, layout)| {
            let width = abi.name().len().max(10);
            format!("  {:width$}", layout.as_ref().map_or_else(|_| "-".into(), cell))
        });
        let cells: String = cells.collect();
        text += format!("{name:16}{cells}").trim_end();
        text.push('\n');
    };
    let value = |letter, i, ty| format!("{letter}{i} {ty}");
    for (i, ty) in signature.params().iter().enumerate() {
        row(&value('p', i, ty), &|layout| layout.params()[i].to_string());
    }
    if signature.results().len() > 1 {
        row("return pointer", &|layout| {
            layout.return_pointer().map_or_else(String::new, |location| location.to_string())
        });
    }
    for (i, ty) in signature.results().iter().enumerate() {
        row(&value('r', i, ty), &|layout| layout.results()[i].to_string());
    }
    row("argument area", &|layout| layout.argument_area().to_string());
    row("return area", &|layout| layout.return_area().to_string());
    for (abi, layout) in &layouts {
        if let Err(error) = layout {
            text += &format!("\n{abi}: {error}");
        }
    }
    text.trim_end().to_owned() + "\n"
}

//! Judges a layout: by the naive model, and by what holds of all layouts.

use super::scalars;
use vmtrampoline::{Abi, Layout, Location, Signature};

use super::naive::{machine, naive};

/// The layout of this signature, which the naive model agrees on and in which each
/// value has a place of its own; `None` if there is none and must be none.
pub(crate) fn layout(signature: &Signature, abi: &'static Abi) -> Result<Option<Layout>, String> {
    let (layout, model) = match (Layout::new(signature, abi), naive(signature, abi)) {
        (Ok(layout), Some(model)) => (layout, model),
        (Err(_), None) => return Ok(None),
        (layout, model) => return Err(format!("{signature}, {abi}: {layout:?}, not {model:?}")),
    };
    let agree = layout.contexts() == model.contexts
        && scalars::locations(layout.params()) == model.params
        && layout.return_pointer() == model.return_pointer
        && scalars::locations(layout.results()) == model.results
        && layout.argument_area() == model.argument_area
        && layout.return_area() == model.return_area;
    ensure!(agree, "{layout}, not {model:?}");
    apart(&layout, abi).map_err(|error| format!("{error}:\n{layout}"))?;
    Ok(Some(layout))
}

/// Every value has a place of its own, aligned, inside its area.
fn apart(layout: &Layout, abi: &Abi) -> Result<(), String> {
    let (machine, vm) = machine(abi);
    let most = if machine == "s390x" { 8 } else { 16 };
    let [argument_area, return_area] = [layout.argument_area(), layout.return_area()];
    ensure!(argument_area % most == 0 && return_area % most == 0, "the areas are not aligned");

    let sizes = |types: &[vmtrampoline::ValType]| -> Vec<u32> {
        types.iter().map(|ty| scalars::size(*ty) as u32).collect()
    };
    let signature = layout.signature();
    let (params, results) = (scalars::params(signature), scalars::results(signature));
    let contexts = layout.contexts().iter().copied().zip([8, 8]);
    let arguments: Vec<_> = contexts
        .chain(scalars::locations(layout.params()).into_iter().zip(sizes(&params)))
        .collect();
    let results = scalars::locations(layout.results()).into_iter().zip(sizes(&results)).collect();
    for (values, pointer) in [(arguments, layout.return_pointer()), (results, None)] {
        let mut registers = Vec::new();
        let mut taken = vec![false; argument_area.max(return_area) as usize];
        let pointer =
            pointer.map(|at| (at, if vm && machine == "aarch64-apple" { 4 } else { 8 }, 8));
        let values = values.into_iter().map(|(at, size)| (at, size.min(most), size));
        for (at, align, size) in values.chain(pointer) {
            let (offset, area) = match at {
                Location::Register(name) => {
                    ensure!(!registers.contains(&name), "two values in {name}");
                    registers.push(name);
                    continue;
                }
                Location::Stack(offset) => (offset, argument_area),
                Location::ReturnArea(offset) => (offset, return_area),
                _ => return Err(format!("{at}")),
            };
            ensure!(offset % align == 0, "{at} is not aligned to {align}");
            ensure!(offset + size <= area, "{at} is not in its area");
            for byte in &mut taken[offset as usize..(offset + size) as usize] {
                ensure!(!*byte, "two values in {at}");
                *byte = true;
            }
        }
    }
    Ok(())
}

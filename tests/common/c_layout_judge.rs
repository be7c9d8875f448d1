//! A layout of C's types, as the text that the vectors have and the naive model
//! answers.

use vmtrampoline::{Abi, Layout, Location, Placement, Signature};

use super::naive_c::{Wrong, disputed, naive, scalars, stack_alignment};

/// The layout as `arguments | result | area`.
pub(crate) fn show(signature: &Signature, layout: &Layout, abi: &Abi) -> String {
    let location = |location: &Location| match location {
        Location::Register(name) => (*name).to_owned(),
        Location::Stack(offset) => format!("sp+{offset}"),
        Location::ReturnArea(offset) => format!("area+{offset}"),
        _ => panic!("a location of a new kind"),
    };
    let placement = |placement: &Placement, size: usize| {
        let pieces: Vec<_> = placement.pieces().iter().collect();
        let piece = |piece: &&vmtrampoline::Piece| {
            let (from, to) = (piece.offset, piece.offset + piece.size);
            let place = location(&piece.location);
            if placement.by_reference() {
                assert_eq!((pieces.len(), from, to), (1, 0, 8), "a pointer is one word");
                format!("&{place}")
            } else if (from, to as usize) == (0, size) {
                place
            } else {
                format!("{place}[{from}..{to}]")
            }
        };
        let shown: Vec<_> = pieces.iter().map(piece).collect();
        if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
    };

    assert_eq!(layout.params().len(), signature.params().len());
    assert_eq!(layout.results().len(), signature.results().len());
    let types = signature.params();
    let arguments = layout.params().iter().zip(types.iter());
    let arguments: Vec<_> = arguments.map(|(at, ty)| placement(at, ty.size(abi))).collect();
    let arguments = if arguments.is_empty() { "-".to_owned() } else { arguments.join(", ") };
    let types = signature.results();
    let result = match (layout.results().first(), types.iter().next()) {
        (Some(at), Some(ty)) => placement(at, ty.size(abi)),
        _ => "-".to_owned(),
    };
    let result = match layout.return_pointer() {
        Some(at) => {
            assert_eq!(result, "-", "a result in memory has no pieces");
            format!("*{}", location(&at))
        }
        None => result,
    };
    let al = layout.vector_registers().map(|al| format!(", al {al}")).unwrap_or_default();
    format!("{arguments} | {result} | {}{al}", layout.argument_area())
}

/// What the crate answers for this text, or the error.
pub(crate) fn answer(text: &str, convention: &str) -> Result<String, String> {
    let abi = Abi::from_name(convention).expect(convention);
    let signature: Signature = text.parse().map_err(|error| format!("{error}"))?;
    let layout = Layout::new(&signature, abi).map_err(|error| format!("{error}"))?;
    Ok(show(&signature, &layout, abi))
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The layout is the model's.
    Agreed,
    /// No layout, rightly: System V would need an aligned stack.
    Refused,
    /// Compilers contradict themselves.
    Disputed,
}

/// The layout of this signature, judged by the naive model with this error in it.
pub(crate) fn judge(text: &str, convention: &str, wrong: Option<Wrong>) -> Result<Judged, String> {
    if disputed(text, convention).is_some() {
        return Ok(Judged::Disputed);
    }
    let must = naive(text, convention, wrong);
    let fail = |found| Err(format!("{convention} {text}\n  is   {found}\n  must {must}"));
    match answer(text, convention) {
        Ok(found) if found == must => {
            apart(text, convention, &found)
                .map_err(|error| format!("{convention} {text}: {found}: {error}"))?;
            Ok(Judged::Agreed)
        }
        Ok(found) => fail(found),
        // The stack is aligned to 16, and no call aligns it further.
        Err(_) if stack_alignment(text, convention) > 16 => Ok(Judged::Refused),
        Err(error) => fail(error),
    }
}

/// What holds of all layouts, of one as [`show`] has it: every argument has registers
/// and bytes of the stack of its own, inside the area, and all its scalars are in them.
pub(crate) fn apart(text: &str, convention: &str, shown: &str) -> Result<(), String> {
    let [arguments, _, area] = shown.split(" | ").collect::<Vec<_>>()[..] else {
        return Err(format!("{shown} has not three parts"));
    };
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let area = number(area.split(',').next().unwrap_or_default())?;
    let types = scalars(text, convention);
    let arguments = if arguments == "-" && types.is_empty() { "" } else { arguments };
    let arguments: Vec<_> = arguments.split(", ").filter(|one| !one.is_empty()).collect();
    ensure!(arguments.len() == types.len(), "{} arguments", arguments.len());
    let mut registers = Vec::new();
    let mut stack = vec![false; area as usize];
    let reserved = match convention {
        "x86_64-windows-c" | "x86_64-msvc-c" => 32,
        "s390x-c" => 160,
        _ => 0,
    };
    for (argument, (size, scalars)) in arguments.into_iter().zip(types) {
        let mut there = vec![0; size as usize];
        for piece in argument.split(' ').filter(|piece| *piece != "-") {
            let (place, bytes) = match piece.strip_suffix(']').and_then(|p| p.split_once('[')) {
                Some((place, bytes)) => {
                    let (from, to) = bytes.split_once("..").ok_or("a range")?;
                    (place, (number(from)?, number(to)?))
                }
                None => (piece, (0, size)),
            };
            ensure!(bytes.0 < bytes.1 || size == 0, "{piece} is empty");
            ensure!(bytes.1 <= size, "{piece} is more than the value");
            let (place, len) = match place.strip_prefix('&') {
                Some(place) => (place, 8),
                None => (place, bytes.1 - bytes.0),
            };
            (bytes.0..bytes.1).for_each(|i| there[i as usize] += 1);
            match place.strip_prefix("sp+") {
                None => {
                    ensure!(!registers.contains(&place), "two values in {place}");
                    ensure!(len <= 16, "{len} bytes in {place}");
                    registers.push(place);
                }
                Some(offset) => {
                    let offset = number(offset)?;
                    ensure!(offset >= reserved, "{place} is reserved");
                    ensure!(offset + len <= area, "{place} is not in its area");
                    for byte in &mut stack[offset as usize..(offset + len) as usize] {
                        ensure!(!*byte, "two values in {place}");
                        *byte = true;
                    }
                }
            }
        }
        for (from, to) in scalars {
            let times = &there[from as usize..to as usize];
            let once = times.iter().all(|times| *times == 1);
            // A variadic float is in two registers on Windows.
            let twice = reserved == 32 && times == [2; 8];
            ensure!(
                once || twice,
                "bytes {from}..{to} of {argument} are somewhere {times:?} times"
            );
        }
    }
    Ok(())
}

//! The picture: a dot per method on a logarithmic scale of time, one line per
//! signature.

use std::fmt::Write;

use crate::{
    records::Records,
    tables::{HOST_METHODS, METHODS, brief},
};

/// Methods and their colours, which differ in lightness, too. What does the same in
/// both directions has the same colour.
const COLOURS: [(&str, &str); 11] = [
    ("direct", "#999999"),
    ("call_unchecked", "#d55e00"),
    ("HostFunc", "#d55e00"),
    ("call", "#e69f00"),
    ("HostFunc, closure", "#e69f00"),
    ("pointer", "#882255"),
    ("Callback", "#882255"),
    ("Cranelift", "#0072b2"),
    ("Wasmtime", "#009e73"),
    ("libffi", "#cc79a7"),
    ("libffi closure", "#cc79a7"),
];

const LEFT: f64 = 330.0;
const WIDTH: f64 = 560.0;
const TOP: f64 = 70.0;
const LINE: f64 = 26.0;
/// The scale, in nanoseconds.
const FROM: f64 = 1.0;
const TO: f64 = 400.0;

pub fn draw(records: &Records) -> String {
    let mut svg = String::new();
    let title =
        "Nanoseconds per call by vmtrampoline (call_unchecked, call) and others; logarithmic";
    let middle = panel(&mut svg, records, 0.0, title, "single", &METHODS);
    let title = "The other direction: native code calls the host (HostFunc, Callback)";
    let bottom = panel(&mut svg, records, middle, title, "host", &HOST_METHODS);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{bottom}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{svg}</svg>\n",
        LEFT + WIDTH + 30.0,
    )
}

/// Draws a table from this height on; where it ends.
fn panel(
    svg: &mut String,
    records: &Records,
    from: f64,
    title: &str,
    table: &str,
    methods: &[&str],
) -> f64 {
    let rows: Vec<&str> = records.rows(table).filter(|row| row.len() < 200).collect();
    let (right, top) = (LEFT + WIDTH, from + TOP);
    let bottom = top + LINE * rows.len() as f64;
    let colour = |method| COLOURS.iter().find(|(name, _)| *name == method).expect("a colour").1;
    writeln!(svg, "<text x=\"20\" y=\"{}\" font-size=\"16\">{title}</text>", from + 24.0).unwrap();
    for (i, method) in methods.iter().enumerate() {
        let x = 26.0 + 125.0 * i as f64;
        dot(svg, x, from + 46.0, colour(*method), method);
        text(svg, x + 10.0, from + 50.0, "start", method);
    }
    for tick in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0] {
        let x = place(tick);
        line(svg, [x, top, x, bottom], "#dddddd");
        text(svg, x, bottom + 20.0, "middle", &tick.to_string());
    }
    for (i, row) in rows.iter().enumerate() {
        let y = top + LINE * (i as f64 + 0.5);
        text(svg, LEFT - 14.0, y + 4.0, "end", &brief(row));
        line(svg, [LEFT, y, right, y], "#eeeeee");
        for method in methods.iter().rev() {
            if let Some(time) = records.get(table, row, method) {
                dot(svg, place(time), y, colour(*method), &format!("{method}: {time:.1} ns"));
            }
        }
    }
    bottom + 40.0
}

fn place(time: f64) -> f64 {
    LEFT + WIDTH * (time.clamp(FROM, TO) / FROM).ln() / (TO / FROM).ln()
}

fn dot(svg: &mut String, x: f64, y: f64, colour: &str, title: &str) {
    writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"><title>{title}</title></circle>")
        .unwrap();
}

fn line(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], colour: &str) {
    writeln!(svg, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\"/>").unwrap();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('>', "&gt;");
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")
        .unwrap();
}

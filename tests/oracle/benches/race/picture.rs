//! The picture: a dot per method on a logarithmic scale of time, one line per
//! signature.

use std::fmt::Write;

use crate::{
    records::Records,
    tables::{METHODS, brief},
};

/// Colours that also differ in lightness, of the methods in their order.
const COLOURS: [&str; 7] =
    ["#999999", "#d55e00", "#e69f00", "#882255", "#0072b2", "#009e73", "#cc79a7"];

const LEFT: f64 = 330.0;
const WIDTH: f64 = 560.0;
const TOP: f64 = 70.0;
const LINE: f64 = 26.0;
/// The scale, in nanoseconds.
const FROM: f64 = 1.0;
const TO: f64 = 400.0;

pub fn draw(records: &Records) -> String {
    let rows: Vec<&str> = records.rows("single").filter(|row| row.len() < 200).collect();
    let (right, bottom) = (LEFT + WIDTH, TOP + LINE * rows.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"24\" font-size=\"16\">Nanoseconds per call by vmtrampoline (call_unchecked, call) and others; logarithmic</text>\n",
        right + 30.0,
        bottom + 40.0,
    );
    for (i, (method, colour)) in METHODS.iter().zip(COLOURS).enumerate() {
        let x = 26.0 + 125.0 * i as f64;
        dot(&mut svg, x, 46.0, colour, method);
        text(&mut svg, x + 10.0, 50.0, "start", method);
    }
    for tick in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0] {
        let x = place(tick);
        line(&mut svg, [x, TOP, x, bottom], "#dddddd");
        text(&mut svg, x, bottom + 20.0, "middle", &tick.to_string());
    }
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + LINE * (i as f64 + 0.5);
        text(&mut svg, LEFT - 14.0, y + 4.0, "end", &brief(row));
        line(&mut svg, [LEFT, y, right, y], "#eeeeee");
        for (method, colour) in METHODS.iter().zip(COLOURS).rev() {
            if let Some(time) = records.get("single", row, method) {
                dot(&mut svg, place(time), y, colour, &format!("{method}: {time:.1} ns"));
            }
        }
    }
    svg + "</svg>\n"
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

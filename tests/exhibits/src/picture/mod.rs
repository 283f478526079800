//! `make picture`: one produce, one fetch and one long poll, each as a picture of which thread does
//! what and when, drawn from the trace of the release binary.
//!
//! What a run has measured is in the picture; what must be the same in every run is in the text
//! beside it: the steps of each lane in their order.

use std::fs;
use std::path::Path;
use std::time::Instant;

use bench::caretaker;
use bench::outcome::{Outcome, failed};

use crate::picture::drawing::svg;
use crate::picture::recording::record;
use crate::picture::story::Story;

mod recording;
mod story;
mod drawing;

const PICTURES: &str = "docs/img";
const SHAPES: &str = "docs/exhibits";

/// What a reader can do with the pictures, which have taken the place of those in the repository.
const NEXT: &str = "
Open them in a browser, docs/img/picture-fetch.svg first. A row is a line of the trace, in time: the lane
of its thread, its request, its step of docs/en/fetch.md in Kafka's words, and in blue its system call.
The pages show them from now on; git checkout docs/img docs/exhibits brings those of the repository back.";

/// Draws the pictures into `docs/img`, and writes their shapes into `docs/exhibits`; with `--compare`,
/// holds a new recording to those shapes, and writes nothing.
pub(crate) fn picture(arguments: &[String]) -> Outcome<()> {
    let compares = match arguments {
        [] => false,
        [compare] if compare == "--compare" => true,
        _ => return failed(format!("picture takes --compare or nothing, so no {arguments:?}")),
    };
    if !Path::new(PICTURES).is_dir() {
        return failed(format!("{PICTURES} is missing: run this where the repository begins"));
    }
    caretaker::start()?;
    for story in &stories()? {
        if compares {
            compare(story)?;
        } else {
            draw(story)?;
        }
    }
    if !compares {
        println!("{NEXT}");
    }
    Ok(())
}

fn stories() -> Outcome<[Story; 3]> {
    let began = Instant::now();
    let recording = record();
    println!(
        "recorded {} lines of the trace in {:.1} s",
        recording.lines.len(),
        began.elapsed().as_secs_f64()
    );
    Ok([Story::of_produce(&recording)?, Story::of_fetch(&recording)?, Story::of_poll(&recording)?])
}

fn compare(story: &Story) -> Outcome<()> {
    let path = shape_of(story);
    let (recorded, now) = (fs::read_to_string(&path)?, story.shape());
    if recorded != now {
        return failed(format!(
            "{path} has another shape than this recording, which `make picture` would write:\n{now}"
        ));
    }
    println!("{path}: the shape as recorded");
    Ok(())
}

fn draw(story: &Story) -> Outcome<()> {
    let (image, text) = (format!("{PICTURES}/picture-{}.svg", story.name), shape_of(story));
    fs::write(&image, svg(story))?;
    fs::create_dir_all(SHAPES)?;
    let (before, shape) = (fs::read_to_string(&text).unwrap_or_default(), story.shape());
    fs::write(&text, &shape)?;
    let change = match before.as_str() {
        "" => "a new shape",
        same if same == shape => "the shape as before",
        _ => "ANOTHER SHAPE than before",
    };
    println!("{image}: {} rows in {} us; {text}: {change}", story.rows.len(), story.duration_us());
    Ok(())
}

fn shape_of(story: &Story) -> String {
    format!("{SHAPES}/picture-{}.txt", story.name)
}

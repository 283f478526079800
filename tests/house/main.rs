//! Holds source, pages and tests to the rules of the house.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod source_tree;
mod printed;

mod layering;
mod docs;
mod post;
mod path;
mod pictures;
mod api_pages;
mod kafka_tests;
mod exhibits;
mod exercises;
mod glossary;
mod way_over;
mod support;

//! `whither types`: what it writes is checked by those who read it. TypeScript's checker over the shipped scripts, over
//! FastX's and over wrong ones; a validator of JSON Schemas over documents; and how files are written.

#[path = "types/checkers.rs"]
mod checkers;
#[path = "types/files.rs"]
mod files;
#[path = "types/schemas.rs"]
mod schemas;
#[path = "types/scripts.rs"]
mod scripts;
mod support;

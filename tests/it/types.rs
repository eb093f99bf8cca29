//! `whither types`: what it writes is checked by those who read it. TypeScript's checker over the shipped scripts, over
//! FastX's and over wrong ones; a validator of JSON Schemas over documents; and how files are written.

mod checkers;
mod files;
mod schemas;
mod scripts;

//! stub
pub mod exit;
pub mod one_shot;
pub mod table;

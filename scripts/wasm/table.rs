//! The table of nodes, kept column by column: what the service tells of changes ends up here. A policy uses what it needs
//! of it.

use std::cell::RefCell;

use crate::exports::whither::balancer::table::{Guest, Kind, Rows};
use crate::whither::balancer::log;

pub use crate::exports::whither::balancer::table::Wishes;

thread_local! {
    /// The nodes. A component has one thread.
    pub static TABLE: RefCell<Table> = RefCell::default();
}

/// The columns, by row.
#[derive(Default)]
pub struct Table {
    ids: Vec<String>,
    sessions: Vec<f64>,
    max_sessions: Vec<f64>,
    free_memory: Vec<f64>,
    load: Vec<f64>,
    cordoned: Vec<bool>,
    /// In the order of the wishes.
    columns: Vec<Vec<Cell>>,
}

/// The value of a key that was wished for.
#[allow(dead_code)]
#[derive(Clone, Default)]
pub enum Cell {
    #[default]
    Absent,
    Text(String),
    Number(f64),
    Flag(bool),
    /// A list or an object, as JSON.
    Json(String),
}

#[allow(dead_code)]
impl Table {
    pub fn id(&self, row: u32) -> &str {
        self.ids.get(row as usize).map_or("", String::as_str)
    }

    pub fn sessions(&self, row: u32) -> Option<f64> {
        figure(&self.sessions, row)
    }

    pub fn max_sessions(&self, row: u32) -> Option<f64> {
        figure(&self.max_sessions, row)
    }

    /// In bytes.
    pub fn free_memory(&self, row: u32) -> Option<f64> {
        figure(&self.free_memory, row)
    }

    pub fn load(&self, row: u32) -> Option<f64> {
        figure(&self.load, row)
    }

    pub fn is_cordoned(&self, row: u32) -> bool {
        self.cordoned.get(row as usize).copied().unwrap_or_default()
    }

    /// The value of the wish at this place: `metadata` first, then `staticData`.
    pub fn wished(&self, wish: usize, row: u32) -> &Cell {
        self.columns.get(wish).and_then(|column| column.get(row as usize)).unwrap_or(&Cell::Absent)
    }

    fn update(&mut self, size: usize, rows: Rows) {
        self.ids.resize(size, String::new());
        for figures in [&mut self.sessions, &mut self.max_sessions, &mut self.free_memory, &mut self.load] {
            figures.resize(size, f64::NAN);
        }
        self.cordoned.resize(size, false);
        self.columns.resize(rows.columns.len(), Vec::new());
        self.columns.iter_mut().for_each(|column| column.resize(size, Cell::Absent));
        for (place, row) in rows.rows.iter().map(|row| *row as usize).enumerate() {
            self.ids[row] = text(&rows.ids, &rows.id_offsets, place);
            self.sessions[row] = rows.sessions[place];
            self.max_sessions[row] = rows.max_sessions[place];
            self.free_memory[row] = rows.free_memory[place];
            self.load[row] = rows.load[place];
            self.cordoned[row] = rows.cordoned[place];
            for (own, told) in self.columns.iter_mut().zip(&rows.columns) {
                own[row] = match told.kinds[place] {
                    Kind::Absent => Cell::Absent,
                    Kind::Text => Cell::Text(text(&told.text, &told.offsets, place)),
                    Kind::Number => Cell::Number(told.numbers[place]),
                    Kind::Flag => Cell::Flag(told.numbers[place] != 0.0),
                    Kind::Json => Cell::Json(text(&told.text, &told.offsets, place)),
                };
            }
        }
    }
}

fn figure(figures: &[f64], row: u32) -> Option<f64> {
    figures.get(row as usize).copied().filter(|figure| !figure.is_nan())
}

fn text(bytes: &[u8], offsets: &[u32], place: usize) -> String {
    String::from_utf8_lossy(&bytes[offsets[place] as usize..offsets[place + 1] as usize]).into_owned()
}

impl Guest for crate::Policy {
    fn declare() -> Wishes {
        // A panic ends in a trap, which has no words of its own.
        std::panic::set_hook(Box::new(|panic| log::log(log::Level::Error, &panic.to_string())));
        crate::wishes()
    }

    fn update(size: u32, rows: Rows) {
        TABLE.with_borrow_mut(|table| table.update(size as usize, rows));
    }
}

//! A component that does what the user's login says, all of it bad; and its work for anybody else.

wit_bindgen::generate!({ path: "../../../../wit", world: "whole-list" });

#[path = "../../../../../scripts/wasm/table.rs"]
mod table;

use std::hint::black_box;

use exports::whither::balancer::balance::{Guest, Request, Verdict};
use table::Wishes;
use whither::balancer::log;

fn wishes() -> Wishes {
    Wishes { metadata: vec![], static_data: vec![] }
}

struct Policy;

impl Guest for Policy {
    fn balance(request: Request, candidates: Vec<u32>) -> Result<Verdict, String> {
        match request.login.as_str() {
            "loops" => {
                let mut turns = 0_u64;
                loop {
                    turns = black_box(turns + 1);
                }
            }
            "fills" => {
                let mut memory = vec![0_u8; 4 << 20];
                loop {
                    black_box(&mut memory).fill(7);
                }
            }
            "grows" => {
                let mut memory = Vec::new();
                loop {
                    memory.push(vec![1_u8; 1 << 20]);
                    black_box(&memory);
                }
            }
            "recurses" => Ok(Verdict::Select(descend(u32::MAX))),
            "traps" => core::arch::wasm32::unreachable(),
            "divides" => Ok(Verdict::Select(1 / black_box(0_i32) as u32)),
            "panics" => panic!("no licences"),
            "indexes" => Ok(Verdict::Select(candidates[black_box(1_000_000)])),
            "returns-10-MB" => Ok(Verdict::Narrow(vec![candidates[0]; 10 << 18])),
            "fails-at-length" => Err("x".repeat(10 << 20)),
            "logs-without-end" => loop {
                log::log(log::Level::Info, "again");
            },
            "asks-the-clock" => {
                black_box(std::time::SystemTime::now());
                Ok(Verdict::Pass)
            }
            "reads-a-file" => match std::fs::read("/etc/passwd") {
                Ok(_) => Ok(Verdict::Pass),
                Err(error) => Err(error.to_string()),
            },
            "writes-through-a-stale-column" => {
                // All of its memory above the stack, where the columns are.
                let stale = black_box(candidates.as_ptr()) as *mut u8;
                drop(candidates);
                let end = core::arch::wasm32::memory_size(0) << 16;
                // SAFETY: there is none; that is what this is for.
                unsafe { core::ptr::write_bytes(stale.sub(stale as usize % 65_536), 0xff, (end - stale as usize).min(1 << 20)) };
                Ok(Verdict::Pass)
            }
            _ => Ok(Verdict::Select(candidates[0])),
        }
    }
}

#[inline(never)]
fn descend(levels: u32) -> u32 {
    let ballast = black_box([levels; 64]);
    if ballast[0] == 0 { 0 } else { black_box(descend(ballast[0] - 1)) + ballast[1] }
}

export!(Policy);

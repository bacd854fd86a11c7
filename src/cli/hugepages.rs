//! `mnvkd hugepages`: what the machine has, who holds it, and changing it.

use std::path::Path;

use hugepages::PageSize;
use hugepages::inventory::{self, Holder, HugeMount, PageCounts, Reserved};
use serde_json::{Value, json};

use super::args::{HugepagesArgs, HugepagesCommand};
use super::output::Output;
use super::{DONE, NOT_MET};
use crate::reduce::text::Table;
use crate::reduce::text::units::{binary, thousands};

/// Shows, reserves or releases.
pub(super) fn hugepages(args: &HugepagesArgs, output: &Output) -> anyhow::Result<u8> {
    let (sys, proc) = (Path::new("/sys"), Path::new("/proc"));
    match args.command.unwrap_or(HugepagesCommand::Show) {
        HugepagesCommand::Show => {
            let machine = Machine::look(sys, proc);
            output.result(|| machine.text(), || machine.json())?;
            Ok(DONE)
        }
        HugepagesCommand::Reserve { size, count, node } => {
            let reserved = inventory::reserve(sys, size, count, node)?;
            changed(reserved, size, node, proc, output)
        }
        HugepagesCommand::Release { size, node } => {
            let reserved = inventory::release(sys, size, node)?;
            changed(reserved, size, node, proc, output)
        }
    }
}

/// Says what a change came to; 3 when the pool is not as large, or as small, as it was to be.
fn changed(
    pool: Reserved,
    size: PageSize,
    node: Option<u32>,
    proc: &Path,
    output: &Output,
) -> anyhow::Result<u8> {
    let holders = if pool.got > pool.asked { inventory::holders(proc) } else { Vec::new() };
    let json = || {
        json!({
            "size": size.to_string(), "node": node, "asked": pool.asked, "got": pool.got, "before": pool.before,
            "bytes": pool.got.saturating_mul(size.bytes() as u64),
        })
    };
    output.result(|| outcome(pool, size, node, &holders), json)?;
    Ok(if pool.got == pool.asked { DONE } else { NOT_MET })
}

fn outcome(pool: Reserved, size: PageSize, node: Option<u32>, holders: &[Holder]) -> String {
    let node = node.map_or(String::new(), |node| format!(" on node {node}"));
    let bytes = binary(pool.got.saturating_mul(size.bytes() as u64));
    let [got, asked, before] = [pool.got, pool.asked, pool.before].map(thousands);
    let mut text =
        format!("pages of {size}{node}: {got} of the {asked} asked for, {bytes}; before: {before}\n");
    if pool.got < pool.asked {
        text.push_str(
            "fewer than asked for: free memory is too fragmented or too small; try again after \
             `echo 1 > /proc/sys/vm/compact_memory`, or reserve at boot (hugepagesz=, hugepages=)\n",
        );
    }
    if pool.got > pool.asked {
        text.push_str("some stay until they are let go of; a process that holds pages:\n");
        text.push_str(&holders_text(holders));
    }
    text
}

/// The machine's huge pages.
struct Machine {
    pools: Vec<PageCounts>,
    transparent: Option<String>,
    memlock: Option<u64>,
    holders: Vec<Holder>,
    mounts: Vec<HugeMount>,
}

impl Machine {
    fn look(sys: &Path, proc: &Path) -> Machine {
        Machine {
            pools: inventory::all_counts(sys),
            transparent: inventory::transparent_mode(sys),
            memlock: inventory::memlock_limit(),
            holders: inventory::holders(proc),
            mounts: inventory::hugetlbfs_mounts(proc),
        }
    }

    fn text(&self) -> String {
        let mut text = self.pools_text();
        let mut table = Table::new(&["<", "<"]);
        table.row([
            "transparent".to_owned(),
            self.transparent.clone().unwrap_or("none in this kernel".to_owned()),
        ]);
        table.row(["memlock limit".to_owned(), self.memlock.map_or("none".to_owned(), binary)]);
        for mount in &self.mounts {
            table.row(["hugetlbfs".to_owned(), format!("{} ({})", mount.path, mount.options)]);
        }
        text.push('\n');
        text.push_str(&table.lines(0));
        text.push_str("\nholders\n");
        text.push_str(&holders_text(&self.holders));
        text
    }

    fn pools_text(&self) -> String {
        let mut table =
            Table::new(&["<node", "page", "total", "free", "promised", "surplus", "obtainable", "memory"]);
        for pool in &self.pools {
            table.row([
                pool.node.map_or("all".to_owned(), |node| node.to_string()),
                binary(pool.page_bytes),
                thousands(pool.total),
                thousands(pool.free),
                thousands(pool.reserved),
                thousands(pool.surplus),
                thousands(pool.obtainable()),
                binary(pool.total.saturating_mul(pool.page_bytes)),
            ]);
        }
        if table.is_empty() { "this kernel keeps no pool of huge pages\n".to_owned() } else { table.lines(0) }
    }

    fn json(&self) -> Value {
        let pool = |pool: &PageCounts| {
            json!({
                "node": pool.node, "page_bytes": pool.page_bytes, "total": pool.total, "free": pool.free,
                "reserved": pool.reserved, "surplus": pool.surplus, "overcommit": pool.overcommit,
                "obtainable": pool.obtainable(),
            })
        };
        let holder = |holder: &Holder| {
            json!({
                "pid": holder.pid, "command": holder.command,
                "private_bytes": holder.private_bytes, "shared_bytes": holder.shared_bytes,
            })
        };
        let mount = |mount: &HugeMount| json!({ "path": mount.path, "options": mount.options });
        json!({
            "pools": self.pools.iter().map(pool).collect::<Vec<_>>(),
            "transparent": self.transparent,
            "memlock_bytes": self.memlock,
            "holders": self.holders.iter().map(holder).collect::<Vec<_>>(),
            "mounts": self.mounts.iter().map(mount).collect::<Vec<_>>(),
        })
    }
}

fn holders_text(holders: &[Holder]) -> String {
    let mut table = Table::new(&["pid", "<command", "private", "shared"]);
    for holder in holders {
        let bytes = [binary(holder.private_bytes), binary(holder.shared_bytes)];
        table.row([holder.pid.to_string(), holder.command.clone()].into_iter().chain(bytes));
    }
    if table.is_empty() {
        "  none that can be seen (other users' processes only root sees)\n".to_owned()
    } else {
        table.lines(2)
    }
}

#[cfg(test)]
mod tests;

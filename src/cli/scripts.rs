//! `mnvkd completions` and `mnvkd man`.

use std::path::Path;

use anyhow::Context as _;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use super::output::Output;
use super::{DONE, command};

/// Prints a shell's completion script.
pub(super) fn completions(shell: Shell, output: &Output) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "mnvkd", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output.result(|| script.clone(), || json!({ "shell": shell.to_string(), "script": script }))?;
    Ok(DONE)
}

/// Prints the manual pages of all commands one after the other, or writes them to a folder.
pub(super) fn man(dir: Option<&Path>, output: &Output) -> anyhow::Result<u8> {
    let pages = pages()?;
    let Some(dir) = dir else {
        let all: String = pages.into_iter().map(|(_, page)| page).collect();
        output.result(|| all.clone(), || json!({ "shell": "man", "script": all }))?;
        return Ok(DONE);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut files = Vec::new();
    for (name, page) in pages {
        let path = dir.join(name);
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        files.push(path.display().to_string());
    }
    output.result(|| files.iter().map(|file| format!("{file}\n")).collect(), || json!({ "files": files }))?;
    Ok(DONE)
}

/// The pages by file name: `mnvkd.1`, `mnvkd-run.1`...
fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let mut root = command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(&root, &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let man = Man::new(command.clone()).manual("mnvkd").source(concat!("mnvkd ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page).context("cannot make a manual page")?;
    pages.push((man.get_filename(), String::from_utf8_lossy(&page).into_owned()));
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| collect(sub, pages))
}

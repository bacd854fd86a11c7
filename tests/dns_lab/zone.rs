//! A zone of many names of many kinds, and a question or two for each.

use std::fmt::Write as _;

/// The zone `example.` with `names` names, and questions as `dig -f` reads them.
pub fn made(names: usize) -> (String, Vec<String>) {
    let mut zone = String::from(
        "$ORIGIN example.\n$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\n@ IN NS ns2\n\
         ns IN A 10.9.0.3\nns IN AAAA fd09::3\nns2 IN A 10.9.0.4\n",
    );
    let mut questions = Vec::new();
    for n in 0..names {
        let name = format!("n{n}");
        let kinds = records(&mut zone, &name, n);
        for kind in kinds {
            questions.push(format!("{}.example. {kind}", case(&name, n)));
        }
    }
    (zone, questions)
}

/// Letters in changing cases.
fn case(name: &str, n: usize) -> String {
    if n.is_multiple_of(3) { name.to_uppercase() } else { name.to_owned() }
}

/// Writes what a name has; what to ask for.
fn records(zone: &mut String, name: &str, n: usize) -> &'static [&'static str] {
    let (a, b) = (n / 250 % 250 + 1, n % 250 + 1);
    let ttl = 60 + n % 7 * 1000;
    match n % 16 {
        0..=3 => {
            let _ = writeln!(zone, "{name} {ttl} IN A 192.0.{a}.{b}");
            &["A"]
        }
        4 | 5 => {
            let _ = writeln!(zone, "{name} {ttl} IN AAAA 2001:db8::{a:x}:{b:x}\n{name} IN A 198.51.{a}.{b}");
            &["AAAA", "A", "ANY"]
        }
        6 => {
            let _ = writeln!(
                zone,
                "{name} {ttl} IN MX 10 mail.{name}\n{name} IN MX 20 n0\nmail.{name} IN A 192.0.{a}.{b}"
            );
            &["MX", "A"]
        }
        7 => {
            let text = format!("\"{}\"", "t".repeat(1 + n % 250));
            let _ = writeln!(zone, "{name} {ttl} IN TXT {text} {text} {text}");
            &["TXT"]
        }
        8 => {
            let _ = writeln!(zone, "{name} {ttl} IN CNAME n{}", n - 8);
            &["A", "CNAME", "AAAA"]
        }
        9 => {
            let _ = writeln!(zone, "{name} {ttl} IN CNAME n{}", n - 1);
            &["A"]
        }
        10 => {
            for host in 0..2 + n % 100 {
                let _ = writeln!(zone, "{name} {ttl} IN A 203.0.{host}.{b}");
            }
            &["A", "MX"]
        }
        11 => {
            let _ = writeln!(
                zone,
                "_sip._udp.{name} {ttl} IN SRV 1 2 5060 n0\n{name} IN CAA 0 issue \"ca.example\""
            );
            &["SRV", "CAA"]
        }
        12 => {
            let _ = writeln!(zone, "*.{name} {ttl} IN A 192.0.{a}.{b}\nx.y.{name} IN TXT \"deep\"");
            &["A", "TXT"]
        }
        13 => {
            let _ = writeln!(zone, "{name} {ttl} IN NS ns.{name}\nns.{name} IN A 192.0.{a}.{b}");
            &["A", "NS"]
        }
        14 => {
            let _ = writeln!(zone, "{name} {ttl} IN TYPE65280 \\# 4 0a00{a:02x}{b:02x}");
            &["TYPE65280"]
        }
        // There is no such name.
        _ => &["A", "TXT"],
    }
}

/// Answers of a batch of questions as `dig` prints them, each in its parts that must not differ: status, question and
/// records without their TTLs.
pub fn answers(out: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for line in out.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix(";; ->>HEADER<<- ") {
            let status = rest.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
            answers.push(status.unwrap_or("?").to_owned());
        } else if let Some(answer) = answers.last_mut() {
            let truncated = line.starts_with(";; flags:")
                && line.split(';').nth(2).is_some_and(|flags| flags.contains(" tc"));
            let section = line.ends_with("SECTION:");
            if truncated {
                answer.push_str(" TC");
            } else if section || !line.starts_with(";;") && !line.starts_with("; EDNS") {
                let _ = write!(answer, "\n{line}");
            }
        } else if line.contains("timed out") || line.contains("no servers") {
            answers.push(line.to_owned());
        }
    }
    answers
}

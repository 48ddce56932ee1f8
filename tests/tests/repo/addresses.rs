//! Addresses of dependencies in code: a host, or a port of one. They are settings.

use crate::sources::Source;

/// Where an address is right, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("devpg/", "it makes the server whose address it names"),
    ("gateway-sandbox/src/page.rs", "a base to build a relative address on"),
    ("worker/src/code.rs", "nobody serves it: a replay calls no gateway"),
];

/// Hosts that are names in a document, and never connected to.
const NAMES: &[&str] = &["www.w3.org"];

/// The fixed addresses of a file. A default of a command-line setting is not one.
pub(crate) fn fixed(file: &Source) -> Vec<String> {
    if EXCEPTIONS.iter().any(|(place, _)| file.path.starts_with(place)) {
        return Vec::new();
    }
    let is_default = |line: &str| file.path.starts_with("cli/") && line.contains("default_value");
    let lines = file.lines().filter(|(_, line)| !is_default(line));
    let found = lines.flat_map(|(n, line)| {
        // A text with a space is a sentence for people, such as an example in an error.
        let literals = line.split('"').skip(1).step_by(2).filter(|text| !text.contains(' '));
        let fixed = literals.filter(|literal| names_host(literal) || names_port(literal));
        fixed.map(move |literal| format!("{literal:?} in line {n}")).collect::<Vec<_>>()
    });
    found.collect()
}

/// `scheme://host`; a loopback address whose port is filled in at run time is none.
fn names_host(literal: &str) -> bool {
    literal.split("://").skip(1).any(|rest| {
        let host: String = rest.chars().take_while(|c| !matches!(c, '/' | ':' | '{')).collect();
        let loopback = host == "127.0.0.1" && rest.contains(":{");
        host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !loopback
            && !NAMES.contains(&host.as_str())
    })
}

/// `localhost:1234` or `10.0.0.1:1234`; port 0 asks for any.
fn names_port(literal: &str) -> bool {
    let Some((before, after)) = literal.rsplit_once(':') else { return false };
    let host = before.rsplit(['/', '@', ' ']).next().unwrap_or(before);
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    let dotted =
        host.split('.').count() == 4 && host.chars().all(|c| c.is_ascii_digit() || c == '.');
    (dotted || host == "localhost") && digits.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, line: &str) -> usize {
        fixed(&Source { path: path.to_owned(), text: line.to_owned() }).len()
    }

    #[test]
    fn planted_addresses_are_found() {
        for line in [
            r#"let url = "https://api.example.com/v1";"#,
            r#"let url = "postgres://shop@db/shop";"#,
            r#"let bind = "127.0.0.1:8080";"#,
            r#"let bind = "localhost:5432";"#,
            r#"get("http://10.0.0.7:9000/x")"#,
        ] {
            assert_eq!(faults("api/src/a.rs", line), 1, "{line}");
        }
        assert_eq!(faults("api/src/a.rs", r#"default_value = "127.0.0.1:8080""#), 1);
    }

    #[test]
    fn settings_and_names_are_left_alone() {
        for line in [
            r#"#[arg(long, default_value = "127.0.0.1:8080")]"#,
            r#"format!("http://{address}/v1")"#,
            r#"format!("http://127.0.0.1:{port}")"#,
            r#"let any = "127.0.0.1:0";"#,
            r#"url.starts_with("https://")"#,
            r#"let svg = "http://www.w3.org/2000/svg";"#,
            r#"return fault("give a URL such as https://api.example.com")"#,
            r#"// as in "https://api.example.com""#,
        ] {
            assert_eq!(faults("cli/src/args.rs", line), 0, "{line}");
        }
    }
}

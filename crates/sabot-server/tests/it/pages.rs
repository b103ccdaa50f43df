//! The pages as files: sent once, and asked for again until they change.

use crate::support::Running;

fn header(head: &str, name: &str) -> String {
    let prefix = format!("\r\n{name}: ");
    let value = head.split_once(&prefix).unwrap_or_else(|| panic!("no {name} in {head}")).1;
    value.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_file_the_browser_has_is_not_sent_again() {
    let server = Running::on(&[]);
    let get = |path: &str, more: &str| server.raw(&format!("GET {path} HTTP/1.1\nhost: localhost\n{more}"), b"");
    for path in ["/", "/traces", "/src/main.js", "/styles/base.css", "/favicon.svg"] {
        let (status, head, body) = get(path, "");
        let tag = header(&head, "etag");
        assert!(status == 200 && !body.is_empty() && tag.starts_with('"') && tag.len() == 66, "{path}: {head}");
        assert_eq!(header(&head, "cache-control"), "no-cache", "{path}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let (status, head, body) = get(path, &format!("if-none-match: {known}"));
            assert_eq!((status, body.as_str(), header(&head, "etag")), (304, "", tag.clone()), "{path} {known}");
        }
        for other in ["\"other\"", "", tag.trim_matches('"')] {
            assert_eq!(get(path, &format!("if-none-match: {other}")).0, 200, "{path} {other}");
        }
    }
}

#[test]
fn nothing_inline_and_nothing_from_elsewhere_runs_in_the_pages() {
    let server = Running::on(&[]);
    let (_, head, _) = server.raw("GET / HTTP/1.1\nhost: localhost\naccept: text/html", b"");
    let policy = header(&head, "content-security-policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("data:") && !policy.contains("http"), "{policy}");
}

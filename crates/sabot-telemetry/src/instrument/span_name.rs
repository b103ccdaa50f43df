//! Names of spans, put together once and not per request.
//!
//! Every thread remembers some; what is remembered is compared by content, so that an address used again is harmless.

use std::cell::RefCell;
use std::sync::Arc;

/// How many names a thread remembers.
const REMEMBERED: usize = 64;
/// The longest that is worth it, in bytes.
const LONGEST: usize = 256;

struct Known {
    method: &'static str,
    route: Arc<str>,
    name: Arc<str>,
}

thread_local! {
    static KNOWN: RefCell<[Option<Known>; REMEMBERED]> = const { RefCell::new([const { None }; REMEMBERED]) };
}

/// The route, shared, and `{method} {route}`, or without a method the route without its first slash.
pub(super) fn span_name(method: &'static str, route: &str) -> (Arc<str>, Arc<str>) {
    let at = (route.as_ptr().addr() ^ (route.as_ptr().addr() >> 6) ^ method.len()) % REMEMBERED;
    let found = KNOWN.try_with(|known| {
        let known = known.try_borrow().ok()?;
        let known = known.get(at)?.as_ref().filter(|known| known.method == method && *known.route == *route)?;
        Some((Arc::clone(&known.route), Arc::clone(&known.name)))
    });
    // Without its memory, at the end of a thread, nothing is known.
    found.ok().flatten().unwrap_or_else(|| remember(at, method, route))
}

#[cold]
fn remember(at: usize, method: &'static str, route: &str) -> (Arc<str>, Arc<str>) {
    let name: Arc<str> = match method {
        "" => route.strip_prefix('/').unwrap_or(route).into(),
        _ => format!("{method} {route}").into(),
    };
    let route: Arc<str> = route.into();
    if route.len() <= LONGEST {
        let new = Known { method, route: Arc::clone(&route), name: Arc::clone(&name) };
        let replaced = KNOWN.try_with(|known| known.try_borrow_mut().ok()?.get_mut(at)?.replace(new));
        // What was remembered there before makes room.
        drop(replaced.ok().flatten());
    }
    (route, name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::span_name;

    #[test]
    fn names_are_made_once_and_never_mixed_up() {
        let mut route = "/a/{id}".to_owned();
        let (_, first) = span_name("GET", &route);
        assert_eq!(*first, *"GET /a/{id}");
        assert!(Arc::ptr_eq(&first, &span_name("GET", &route).1));
        assert_eq!(*span_name("PUT", &route).1, *"PUT /a/{id}", "same slot, another method");
        route.replace_range(1..2, "b");
        assert_eq!(*span_name("PUT", &route).1, *"PUT /b/{id}", "same address, another route");
        assert_eq!(*span_name("", "/shop.Orders/Place").1, *"shop.Orders/Place");
    }
}

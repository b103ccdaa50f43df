//! Spans in the order a reader follows them: children below their parent, by start.

use std::collections::HashMap;

use super::Span;

/// Deeper spans are drawn at this depth, so that a deep trace stays on the screen.
const MAX_DRAWN_DEPTH: usize = 16;

/// A span's place in the drawing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Index of the span.
    pub(super) span: usize,
    /// The branches in front of its name.
    pub(super) branches: String,
    /// Whether it names a parent that is not part of the trace.
    pub(super) parent_missing: bool,
}

/// A span still to be placed.
struct Pending {
    span: usize,
    /// For each ancestor below the root: whether a sibling of it is still to come.
    open: Vec<bool>,
    /// Whether a sibling is still to come; `None` for a root.
    more: Option<bool>,
    parent_missing: bool,
}

/// Places every span once.
pub(super) fn place(spans: &[Span]) -> Vec<Placed> {
    let by_id: HashMap<&str, usize> = spans.iter().enumerate().map(|(i, span)| (span.id.as_str(), i)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    for span in by_start(spans) {
        let named = spans.get(span).and_then(|span| span.parent_id.as_deref()).filter(|id| !id.is_empty());
        match named.and_then(|id| by_id.get(id)).and_then(|parent| children.get_mut(*parent)) {
            Some(siblings) => siblings.push(span),
            None => roots.push((span, named.is_some())),
        }
    }
    let mut drawing = Drawing { children, drawn: vec![false; spans.len()], placed: Vec::with_capacity(spans.len()) };
    for (root, parent_missing) in roots {
        drawing.draw(root, parent_missing);
    }
    // What is left hangs together in a cycle.
    for span in by_start(spans) {
        drawing.draw(span, false);
    }
    drawing.placed
}

fn by_start(spans: &[Span]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|i| spans.get(*i).map(|span| span.start_unix_nano));
    order
}

struct Drawing {
    children: Vec<Vec<usize>>,
    drawn: Vec<bool>,
    placed: Vec<Placed>,
}

impl Drawing {
    /// Places `root` and everything below it that is not placed yet.
    fn draw(&mut self, root: usize, root_lost_parent: bool) {
        let mut stack = vec![Pending { span: root, open: Vec::new(), more: None, parent_missing: root_lost_parent }];
        while let Some(Pending { span, mut open, more, parent_missing }) = stack.pop() {
            let first_visit = self.drawn.get_mut(span).is_some_and(|drawn| !std::mem::replace(drawn, true));
            if !first_visit {
                continue;
            }
            self.placed.push(Placed { span, branches: branches(&open, more), parent_missing });
            open.extend(more.filter(|_| open.len() < MAX_DRAWN_DEPTH));
            let children = self.children.get(span).into_iter().flatten().copied();
            let below = children.rev().enumerate().map(|(nth_last, child)| Pending {
                span: child,
                open: open.clone(),
                more: Some(nth_last > 0),
                parent_missing: false,
            });
            stack.extend(below);
        }
    }
}

fn branches(open: &[bool], more: Option<bool>) -> String {
    let Some(more) = more else { return String::new() };
    let above = open.iter().map(|open| if *open { "│  " } else { "   " });
    above.chain([if more { "├─ " } else { "└─ " }]).collect()
}

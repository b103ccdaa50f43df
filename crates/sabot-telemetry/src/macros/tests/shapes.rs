//! Functions of every shape: that they compile is half of what is tested.

use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt as _, LocalBoxFuture, ready};

use crate::ambient::tests::{attribute, recorded, string};
use crate::*;

struct Shop<const N: usize> {
    stock: [u32; N],
}

#[tonic::async_trait]
trait Sells {
    async fn sell(&mut self, item: &str, count: u32) -> Result<u32, String>;

    #[traced(fields(count))]
    async fn ask(&self, count: u32) -> u32 {
        ready(count).await
    }

    #[traced]
    fn name(&self) -> &'static str {
        "a shop"
    }
}

#[tonic::async_trait]
impl<const N: usize> Sells for Shop<N> {
    #[traced(name = "sell", fields(item, size = N, left = self.stock.len()))]
    async fn sell(&mut self, item: &str, count: u32) -> Result<u32, String> {
        ready(()).await;
        let at: usize = item.parse().map_err(|_no_number| format!("no {item}"))?;
        drop(SpanBuilder::new("inner").start());
        self.stock[at] -= count;
        Ok(self.stock[at])
    }
}

impl<const N: usize> Shop<N> {
    #[traced]
    fn shared(self: Arc<Self>) -> Result<usize, Infallible> {
        Ok(self.stock.len())
    }

    #[traced]
    async fn pinned(self: Pin<&mut Self>) -> Result<u32, Infallible> {
        Ok(ready(self.stock[0]).await)
    }

    #[traced]
    fn consumed(mut self) -> Result<[u32; N], Infallible> {
        self.stock[0] = 9;
        Ok(self.stock)
    }
}

#[traced(fields(name, n = N))]
fn generic<'a, T, const N: usize>(name: &'a str, what: &T) -> Result<&'a str, std::fmt::Error>
where
    T: Debug + Display + ?Sized,
{
    if format!("{what}").len() == N { Ok(name) } else { Err(std::fmt::Error) }
}

#[traced]
fn opaque_with_question_mark(text: &str) -> Result<impl Iterator<Item = u8> + use<>, Box<dyn std::error::Error>> {
    let up_to: u8 = text.parse()?;
    Ok(0..up_to)
}

#[traced]
fn opaque_with_a_word(up_to: u8) -> Result<impl Iterator<Item = u8>, String> {
    if up_to == 0 { Err("none".to_owned()) } else { Ok(0..up_to) }
}

#[traced]
extern "C" fn foreign(number: u8) -> u8 {
    number
}

#[traced]
async fn never() -> ! {
    panic!("as it should")
}

#[traced]
fn never_sync() -> ! {
    panic!("as it should")
}

#[traced]
async fn patterns((a, b): (u8, u8), [c, ..]: [u8; 2], mut d: Vec<u8>, _: String) -> Result<u8, Infallible> {
    d.push(a + b + c);
    Ok(d.pop().unwrap_or_default())
}

#[traced]
async fn takes_anything(work: impl AsyncFnOnce() -> u8, name: impl Into<String>) -> (u8, String) {
    (work().await, name.into())
}

#[traced(fields(number))]
fn boxed<'a>(number: &'a str) -> BoxFuture<'a, Result<u8, std::num::ParseIntError>> {
    async move {
        ready(()).await;
        let number: u8 = number.parse()?;
        Ok(number)
    }
    .boxed()
}

#[traced]
fn boxed_local(number: u8) -> LocalBoxFuture<'static, u8> {
    Box::pin(async move { ready(number).await })
}

#[traced]
fn returned(number: u8) -> impl Future<Output = u8> + Send {
    async move { ready(number).await }
}

#[trace_performance(sli_name = "x", slo_threshold = 1, fields(number))]
fn measured(number: u8) -> Pin<Box<dyn Future<Output = Result<u8, String>> + Send>> {
    Box::pin(async move { if number == 0 { Err("zero".to_owned()) } else { Ok(number) } })
}

#[traced]
async fn recursive(depth: u8) -> u8 {
    if depth == 0 { 0 } else { Box::pin(recursive(depth - 1)).await + 1 }
}

const fn is_send<T: Send>(future: T) -> T {
    future
}

fn names(spans: &[SpanRecord]) -> Vec<(&str, bool)> {
    spans.iter().map(|span| (span.name.as_str(), span.status == SpanStatus::Unset)).collect()
}

#[test]
fn methods_of_async_traits_are_traced_as_what_they_were() {
    let mut shop = Shop { stock: [3, 4] };
    let (sold, spans) = recorded(|| {
        let sold = block_on(is_send(shop.sell("1", 3)));
        assert!(block_on(shop.sell("tea", 3)).is_err());
        assert_eq!((block_on(shop.ask(5)), shop.name()), (5, "a shop"));
        let never_polled = shop.ask(1);
        drop(never_polled);
        sold
    });
    assert_eq!(sold, Ok(1));
    assert_eq!(names(&spans), [("inner", true), ("sell", true), ("sell", false), ("ask", true), ("name", true)]);
    let [inner, sell, refused, ask, _] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(inner.parent_span_id, Some(sell.span_id));
    assert_eq!((attribute(sell, "item"), attribute(sell, "size")), (Some(&string("1")), Some(&2.into())));
    assert_eq!((attribute(sell, "left"), attribute(ask, "count")), (Some(&2.into()), Some(&5.into())));
    assert_eq!(refused.status, SpanStatus::Error("no tea".into()));
}

#[test]
fn functions_that_return_futures_are_traced_while_they_go_on() {
    let ((), spans) = recorded(|| {
        assert_eq!(block_on(is_send(boxed("7"))), Ok(7));
        assert!(block_on(boxed("seven")).is_err());
        assert_eq!((block_on(boxed_local(1)), block_on(is_send(returned(2)))), (1, 2));
        assert!(block_on(measured(0)).is_err());
    });
    assert_eq!(
        names(&spans),
        [("boxed", true), ("boxed", false), ("boxed_local", true), ("returned", true), ("measured", false)]
    );
    assert_eq!(attribute(&spans[0], "number"), Some(&string("7")));
    assert_eq!(attribute(&spans[4], "sli.name"), Some(&string("x")));
    assert_eq!(attribute(&spans[4], "error.type"), Some(&string("alloc::string::String")));
}

#[test]
fn functions_of_every_shape_do_what_they_did() {
    let ((), spans) = recorded(|| {
        assert_eq!(generic::<_, 3>("name", "abc"), Ok("name"));
        assert_eq!(opaque_with_question_mark("3").map(Iterator::count).ok(), Some(3));
        assert!(opaque_with_question_mark("x").is_err());
        assert_eq!(opaque_with_a_word(2).map(Iterator::count), Ok(2));
        assert!(opaque_with_a_word(0).is_err());
        assert_eq!(foreign(7), 7);
        assert_eq!(block_on(patterns((1, 2), [3, 4], vec![], String::new())), Ok(6));
        assert_eq!(block_on(takes_anything(async || 5, "five")), (5, "five".to_owned()));
        assert_eq!(block_on(recursive(2)), 2);
        assert_eq!(Arc::new(Shop { stock: [1] }).shared(), Ok(1));
        assert_eq!(block_on(std::pin::pin!(Shop { stock: [1] }).pinned()), Ok(1));
        assert_eq!(Shop { stock: [1] }.consumed(), Ok([9]));
    });
    let failed: Vec<_> = names(&spans).into_iter().filter(|(_, is_fine)| !is_fine).map(|(name, _)| name).collect();
    assert_eq!((spans.len(), failed), (14, vec!["opaque_with_question_mark", "opaque_with_a_word"]));
    assert_eq!((attribute(&spans[0], "name"), attribute(&spans[0], "n")), (Some(&string("name")), Some(&3.into())));
}

#[test]
fn what_never_returns_ends_by_its_panic() {
    let ((), spans) = recorded(|| {
        std::panic::catch_unwind(|| block_on(never())).unwrap_err();
        std::panic::catch_unwind(|| never_sync()).unwrap_err();
    });
    assert_eq!(names(&spans), [("never", false), ("never_sync", false)]);
}

#[test]
fn what_is_left_before_its_end_has_ended() {
    let (kept, spans) = recorded(|| {
        let mut waiting = Box::pin(takes_anything(async || std::future::pending().await, ""));
        assert!((&mut waiting).now_or_never().is_none());
        drop(waiting);
        current_trace()
    });
    assert!(kept.is_some());
    assert_eq!(names(&spans), [("takes_anything", true)]);
}

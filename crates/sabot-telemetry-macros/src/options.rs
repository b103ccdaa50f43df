//! What is written in the attribute.
//!
//! Invariant: what is not understood is an error at its place that says what to write instead.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Lit, LitStr, Result, Token, parenthesized};

/// Which attribute it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    Traced,
    Performance,
    Correlation,
}

/// Options of any of them.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    /// A variant of `SpanKind`.
    pub(crate) kind: Option<Ident>,
    pub(crate) fields: Vec<Field>,
    pub(crate) objective: Option<Objective>,
}

/// An attribute of the span, computed when it begins.
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) value: Expr,
}

/// What a function is measured against.
pub(crate) struct Objective {
    pub(crate) sli: String,
    pub(crate) threshold_seconds: f64,
    pub(crate) operation_type: Option<String>,
}

impl Macro {
    /// What can be written, for messages.
    const fn syntax(self) -> &'static str {
        match self {
            Self::Traced | Self::Correlation => "name = \"charge\", kind = \"client\", fields(order_id)",
            Self::Performance => {
                "sli_name = \"checkout.latency\", slo_threshold = 0.5, operation_type = \"checkout\", \
                 name = \"charge\", kind = \"client\", fields(order_id)"
            }
        }
    }
}

/// One option as it is read.
enum One {
    Name(String),
    Kind(Ident),
    Fields(Vec<Field>),
    Sli(String),
    Threshold(f64),
    OperationType(String),
}

/// Reads the options.
pub(crate) fn parse(which: Macro, tokens: TokenStream) -> Result<Options> {
    let all = Parser::parse2(|input: ParseStream<'_>| separated(which, input), tokens)?;
    let mut options = Options::default();
    let (mut sli, mut threshold, mut operation_type) = (None, None, None);
    let mut seen: Vec<String> = Vec::new();
    for (key, option) in all {
        let name = key.to_string();
        if seen.contains(&name) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice; write it once")));
        }
        seen.push(name);
        match option {
            One::Name(name) => options.name = Some(name),
            One::Kind(kind) => options.kind = Some(kind),
            One::Fields(fields) => options.fields = fields,
            One::Sli(name) => sli = Some(name),
            One::Threshold(seconds) => threshold = Some(seconds),
            One::OperationType(kind) => operation_type = Some(kind),
        }
    }
    if which == Macro::Performance {
        let lacks = |what: &str| Error::new(Span::call_site(), format!("lacks {what}"));
        let sli = sli.ok_or_else(|| lacks("sli_name; write sli_name = \"checkout.latency\""))?;
        let threshold_seconds = threshold.ok_or_else(|| lacks("slo_threshold; write slo_threshold = 0.5 (seconds)"))?;
        options.objective = Some(Objective { sli, threshold_seconds, operation_type });
    }
    Ok(options)
}

fn separated(which: Macro, input: ParseStream<'_>) -> Result<Vec<(Ident, One)>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        all.push(one(which, input)?);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(all)
}

fn one(which: Macro, input: ParseStream<'_>) -> Result<(Ident, One)> {
    let key: Ident = input.parse()?;
    let performance = which == Macro::Performance;
    let option = match key.to_string().as_str() {
        "name" => One::Name(text(input, &key)?),
        "kind" => One::Kind(kind(input)?),
        "fields" => One::Fields(fields(input)?),
        "sli_name" if performance => One::Sli(text(input, &key)?),
        "slo_threshold" if performance => One::Threshold(threshold(input)?),
        "operation_type" if performance => One::OperationType(text(input, &key)?),
        _ => return Err(Error::new(key.span(), format!("unknown option `{key}`; write {}", which.syntax()))),
    };
    Ok((key, option))
}

fn text(input: ParseStream<'_>, key: &Ident) -> Result<String> {
    let wrong = |span| Error::new(span, format!("write {key} = \"…\" with a text that is not empty"));
    input.parse::<Token![=]>().map_err(|error| wrong(error.span()))?;
    let text: LitStr = input.parse().map_err(|error: Error| wrong(error.span()))?;
    if text.value().is_empty() { Err(wrong(text.span())) } else { Ok(text.value()) }
}

fn kind(input: ParseStream<'_>) -> Result<Ident> {
    const KINDS: [&str; 5] = ["Internal", "Server", "Client", "Producer", "Consumer"];
    input.parse::<Token![=]>()?;
    let (given, span) = if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        (text.value(), text.span())
    } else {
        let name: Ident = input.parse()?;
        (name.to_string(), name.span())
    };
    let known = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(&given));
    known.map(|known| Ident::new(known, span)).ok_or_else(|| {
        let message =
            format!("unknown kind `{given}`; write \"internal\", \"server\", \"client\", \"producer\" or \"consumer\"");
        Error::new(span, message)
    })
}

fn fields(input: ParseStream<'_>) -> Result<Vec<Field>> {
    let inside;
    parenthesized!(inside in input);
    Ok(Punctuated::<Field, Token![,]>::parse_terminated(&inside)?.into_iter().collect())
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let wrong = |span| Error::new(span, "write fields(order_id, \"order.id\" = id, total = a + b)");
        let (key, shorthand) = if input.peek(LitStr) {
            (input.parse::<LitStr>()?.value(), None)
        } else {
            let name: Ident = input.call(Ident::parse).map_err(|error| wrong(error.span()))?;
            (name.to_string(), Some(name))
        };
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Ok(Self { key, value: input.parse()? });
        }
        let name = shorthand.ok_or_else(|| wrong(input.span()))?;
        Ok(Self { key, value: syn::parse_quote!(#name) })
    }
}

fn threshold(input: ParseStream<'_>) -> Result<f64> {
    const WRONG: &str = "write slo_threshold = 0.5, a number of seconds above zero";
    input.parse::<Token![=]>()?;
    let (seconds, span) = match input.parse::<Lit>().map_err(|error| Error::new(error.span(), WRONG))? {
        Lit::Float(number) => (number.base10_parse::<f64>(), number.span()),
        Lit::Int(number) => (number.base10_parse::<f64>(), number.span()),
        other => return Err(Error::new(other.span(), WRONG)),
    };
    seconds.ok().filter(|seconds| seconds.is_finite() && *seconds > 0.0).ok_or_else(|| Error::new(span, WRONG))
}

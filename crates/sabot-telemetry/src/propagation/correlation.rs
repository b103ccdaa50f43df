//! The correlation id in its header. One that is not valid is as good as none.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};

use crate::correlation::CorrelationId;

pub(super) fn inject(context: &Context, injector: &mut dyn Injector) {
    if let Some(id) = context.get::<CorrelationId>() {
        injector.set(CorrelationId::HEADER, id.as_str().to_owned());
    }
}

pub(super) fn extract(context: Context, extractor: &dyn Extractor) -> Context {
    match extractor.get(CorrelationId::HEADER).map(str::parse::<CorrelationId>) {
        Some(Ok(id)) => context.with_value(id),
        Some(Err(_)) | None => context,
    }
}

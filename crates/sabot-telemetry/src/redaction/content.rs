//! Where instrumentations put what people and models said: OpenTelemetry's GenAI conventions of all generations,
//! OpenInference, Traceloop, Langfuse and the Vercel AI SDK.

/// Keys that hold content, themselves and with anything behind a dot.
const KEYS: &[&str] = &[
    "ai.prompt",
    "ai.response.object",
    "ai.response.reasoning",
    "ai.response.text",
    "ai.response.toolCalls",
    "ai.result.object",
    "ai.result.text",
    "ai.result.toolCalls",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "ai.value",
    "ai.values",
    "embedding.embeddings",
    "embedding.text",
    "gen_ai.completion",
    "gen_ai.content",
    "gen_ai.event.content",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt",
    "gen_ai.retrieval.documents",
    "gen_ai.retrieval.query.text",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.message",
    "input.value",
    "langfuse.observation.input",
    "langfuse.observation.output",
    "langfuse.trace.input",
    "langfuse.trace.output",
    "llm.completions",
    "llm.function_call",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompt_template.template",
    "llm.prompt_template.variables",
    "llm.prompts",
    "message.content",
    "message.contents",
    "message.function_call_arguments_json",
    "message_content.text",
    "output.value",
    "reranker.input_documents",
    "reranker.output_documents",
    "reranker.query",
    "retrieval.documents",
    "tool.parameters",
    "tool_call.function.arguments",
    "traceloop.entity.input",
    "traceloop.entity.output",
];

/// Whether the attribute of this key holds content.
pub(super) fn is_content_key(key: &str) -> bool {
    may_be_content(key)
        && key != "gen_ai.prompt.name"
        && KEYS
            .iter()
            .any(|content| key.strip_prefix(content).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Tells most other keys by their first letters.
const fn may_be_content(key: &str) -> bool {
    matches!(
        key.as_bytes(),
        [b'a', b'i', b'.', ..]
            | [b'e', b'm', b'b', ..]
            | [b'g', b'e', b'n', ..]
            | [b'i', b'n', b'p', ..]
            | [b'l', b'a', b'n', ..]
            | [b'l', b'l', b'm', ..]
            | [b'm', b'e', b's', b's', b'a', b'g', b'e', ..]
            | [b'o', b'u', b't', ..]
            | [b'r', b'e', b'r' | b't', ..]
            | [b't', b'o', b'o', ..]
            | [b't', b'r', b'a', ..]
    )
}

/// Whether an event is a message: its attributes hold what was said, under names that say nothing.
pub(super) fn is_content_event(name: &str) -> bool {
    let Some(kind) = name.strip_prefix("gen_ai.") else { return false };
    kind.ends_with(".message") || kind == "choice" || kind.starts_with("content.")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_key_of_content_is_found_by_itself_and_with_more_behind_it() {
        for key in super::KEYS {
            assert!(super::is_content_key(key), "{key}");
            assert!(super::is_content_key(&format!("{key}.0.content")), "{key}");
            assert!(!super::is_content_key(&format!("{key}_count")), "{key}");
        }
    }
}

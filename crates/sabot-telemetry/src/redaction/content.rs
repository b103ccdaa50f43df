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

/// The ways in which a key of content begins; other keys are told by one look.
const FIRST_LETTERS: [bool; 256] = {
    let mut letters = [false; 256];
    let mut rest = KEYS;
    while let [key, after @ ..] = rest {
        if let [first, ..] = key.as_bytes() {
            // A byte is always within the table.
            if let Some(letter) = letters.split_at_mut(*first as usize).1.first_mut() {
                *letter = true;
            }
        }
        rest = after;
    }
    letters
};

/// Whether the attribute of this key holds content.
pub(super) fn is_content_key(key: &str) -> bool {
    let Some(first) = key.as_bytes().first() else { return false };
    if FIRST_LETTERS.get(usize::from(*first)) != Some(&true) || key == "gen_ai.prompt.name" {
        return false;
    }
    KEYS.iter().any(|content| key.strip_prefix(content).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Whether an event is a message: its attributes hold what was said, under names that say nothing.
pub(super) fn is_content_event(name: &str) -> bool {
    let Some(kind) = name.strip_prefix("gen_ai.") else { return false };
    kind.ends_with(".message") || kind == "choice" || kind.starts_with("content.")
}

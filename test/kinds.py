# SPDX-License-Identifier: Apache-2.0
"""What kinds of runtimes there are and what each answers itself (src/dialect/runtime.c, docs/configuration.md)."""

import os

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages", "ollama": "/api/chat"}
OWN = {
    "openai": {"chat", "embeddings"},
    "vllm": {"chat", "embeddings", "responses", "messages", "count"},
    "sglang": {"chat", "embeddings", "responses", "messages"},
    "llama-server": {"chat", "embeddings", "responses", "messages", "count"},
    "ollama": {"chat", "embeddings", "responses", "messages", "ollama"},
    "tgi": {"chat"},
    "trt-llm": {"chat"},
    "openrouter": {"chat", "embeddings", "responses", "messages"},
    "azure": {"chat", "embeddings", "responses"},
    "mistral": {"chat", "embeddings"},
    "groq": {"chat", "responses"},
    "anthropic": {"messages", "count"},
}
EVERYTHING = bool(os.environ.get("HOSTLER_ALL_KINDS"))  # `make clients`; `make test` makes do with those that differ most
KINDS = list(OWN) if EVERYTHING else ["openai", "llama-server", "ollama", "anthropic"]


FUNCTIONS_ONLY = {"vllm", "sglang", "llama-server", "ollama", "groq"}  # their Responses know no other tools


def asked_at(kind, dialect, other_tools=False):
    """The path at which a runtime of the kind is asked by a client of the dialect, who may have tools that are no functions."""
    if dialect in OWN[kind] and not (other_tools and kind in FUNCTIONS_ONLY):
        return PATHS[dialect]
    return PATHS["chat" if "chat" in OWN[kind] else "messages"]

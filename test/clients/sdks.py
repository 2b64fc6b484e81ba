# SPDX-License-Identifier: Apache-2.0
"""Four SDKs of four dialects that are talked through alike.

A talk keeps the history as its SDK wants it back: what the SDK said an answer was is what the next question carries.
"""

import dataclasses
import json

import anthropic
import httpx
import ollama
import openai
from openai.types.chat import ChatCompletion

TOOLS = [
    {"name": "weather", "description": "what it is like outside",
     "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    {"name": "clock", "description": "what time it is", "parameters": {"type": "object", "properties": {}}},
]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@dataclasses.dataclass
class Call:
    id: str
    name: str
    arguments: dict


@dataclasses.dataclass
class Said:
    """An answer, in the words of OpenAI's chat."""

    text: str = ""
    reasoning: str = ""
    calls: list = dataclasses.field(default_factory=list)
    finish: str = ""
    tokens: tuple = (0, 0)  # of the whole prompt and of the answer
    cached: int | None = None  # of the prompt's tokens; None: the dialect does not tell
    model: str = ""


QUICK = {"trust_env": False, "verify": False}  # of clients of httpx: reading certificates takes longer than most tests


class Talk:
    """A conversation with one model. `base` is the gateway's address."""

    def __init__(self, base, model="m", key="sk-none"):
        self.base, self.model, self.key = base, model, key
        self.history = []
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def ask(self, stream=False, **wishes):
        """The answer to the history, which has it afterwards. Wishes: limit, tools, choice, schema, stop, think,
        and cold: always the same answer."""
        return self.streamed(**wishes) if stream else self.whole(**wishes)

    def say(self, text, stream=False, **wishes):
        self.user(text)
        return self.ask(stream, **wishes)

    def user(self, text):
        self.history.append({"role": "user", "content": text})

    def system(self, text):
        self.history.append({"role": "system", "content": text})


def without_none(**fields):
    return {k: v for k, v in fields.items() if v is not None}


class Chat(Talk):
    dialect = "chat"
    failures = (openai.APIError,)
    kinds = {400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
             404: openai.NotFoundError, 429: openai.RateLimitError, 500: openai.InternalServerError,
             503: openai.InternalServerError}

    def open(self):
        self.client = openai.OpenAI(base_url=f"{self.base}/v1", api_key=self.key, max_retries=0, http_client=httpx.Client(**QUICK))

    def request(self, limit=None, tools=None, choice=None, schema=None, stop=None, think=None, cold=None):
        wanted = schema and {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        named = {"type": "function", "function": {"name": choice}} if choice in ("weather", "clock") else choice
        return {"model": self.model, "messages": self.history,
                **without_none(max_tokens=limit, stop=stop, tool_choice=named, response_format=wanted, reasoning_effort=think,
                               temperature=0 if cold else None,
                               tools=tools and [{"type": "function", "function": t} for t in tools])}

    def whole(self, **wishes):
        return self.keep(self.client.chat.completions.create(**self.request(**wishes)))

    def streamed(self, **wishes):
        """Put together by hand: the SDK's helper raises where an answer was cut by its limit."""
        choice, usage, model = {}, None, ""
        message = {"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": []}
        for chunk in self.client.chat.completions.create(**self.request(**wishes), stream=True, stream_options={"include_usage": True}):
            usage, model = chunk.usage or usage, chunk.model
            for part in chunk.choices:
                choice["finish_reason"] = part.finish_reason or choice.get("finish_reason")
                self.add(message, part.delta)
        return self.keep(ChatCompletion.model_validate({
            "id": "x", "created": 0, "object": "chat.completion", "model": model, "usage": usage and usage.to_dict(),
            "choices": [{"index": 0, "message": {k: v for k, v in message.items() if v or k in ("role", "content")}, **choice}]}))

    def add(self, message, delta):
        message["content"] += delta.content or ""
        message["reasoning_content"] += getattr(delta, "reasoning_content", None) or ""
        for call in delta.tool_calls or []:
            if call.index == len(message["tool_calls"]):
                message["tool_calls"].append({"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": ""}})
            message["tool_calls"][call.index]["function"]["arguments"] += call.function.arguments or ""

    def keep(self, answer):
        choice = answer.choices[0]
        message = choice.message
        self.history.append(message.to_dict())
        calls = [Call(c.id, c.function.name, json.loads(c.function.arguments or "{}")) for c in message.tool_calls or []]
        reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        said = Said(message.content or "", reasoning or "", calls, choice.finish_reason, model=answer.model)
        if answer.usage:
            said.tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
            said.cached = answer.usage.prompt_tokens_details.cached_tokens if answer.usage.prompt_tokens_details else 0
        return said

    def result(self, call, text, failed=False):
        self.history.append({"role": "tool", "tool_call_id": call.id, "content": text})

    def pieces(self, **wishes):
        """A stream, and its texts one by one."""
        stream = self.client.chat.completions.create(**self.request(**wishes), stream=True)
        return stream, (c.choices[0].delta.content for c in stream if c.choices and c.choices[0].delta.content)

    def embed(self, texts):
        return [e.embedding for e in self.client.embeddings.create(model=self.model, input=texts).data]


class Responses(Chat):
    dialect = "responses"

    def request(self, limit=None, tools=None, choice=None, schema=None, stop=None, think=None, cold=None):
        assert stop is None, "the dialect has no stop sequences"
        named = {"type": "function", "name": choice} if choice in ("weather", "clock") else choice
        return {"model": self.model, "input": self.history, "store": False,
                **without_none(max_output_tokens=limit, tool_choice=named, reasoning=think and {"effort": think},
                               temperature=0 if cold else None,
                               text=schema and {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}},
                               tools=tools and [{"type": "function", "strict": False, **t} for t in tools])}

    def whole(self, **wishes):
        return self.keep(self.client.responses.create(**self.request(**wishes)))

    def streamed(self, **wishes):
        last = None
        for event in self.client.responses.create(**self.request(**wishes), stream=True):
            last = event
        return self.keep(self.ended(last))

    def ended(self, event):
        """The response of a stream's last event. What ends otherwise is a failure, which the SDK does not raise by itself."""
        if event is None or event.type not in ("response.completed", "response.incomplete"):
            raise openai.APIError(f"ended with {event and event.to_json()}", None, body=event and event.to_dict())
        return event.response

    def keep(self, answer):
        said = Said(answer.output_text, model=answer.model, tokens=(answer.usage.input_tokens, answer.usage.output_tokens),
                    cached=answer.usage.input_tokens_details.cached_tokens)
        reasons = {"max_output_tokens": "length", "content_filter": "content_filter"}
        said.finish = "stop" if answer.status == "completed" else reasons[answer.incomplete_details.reason]
        for item in answer.output:
            self.history.append(item.to_dict())
            if item.type == "function_call":
                said.calls.append(Call(item.call_id, item.name, json.loads(item.arguments or "{}")))
                said.finish = "tool_calls"
            elif item.type == "reasoning":
                said.reasoning += "".join(part.text for part in item.content or item.summary)
        return said

    def result(self, call, text, failed=False):
        self.history.append({"type": "function_call_output", "call_id": call.id, "output": text})

    def pieces(self, **wishes):
        stream = self.client.responses.create(**self.request(**wishes), stream=True)
        return stream, self.texts(stream)

    def texts(self, stream):
        last = None
        for last in stream:
            if last.type == "response.output_text.delta":
                yield last.delta
        self.ended(last)


class Messages(Talk):
    dialect = "messages"
    failures = (anthropic.APIError,)
    kinds = {400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 403: anthropic.PermissionDeniedError,
             404: anthropic.NotFoundError, 429: anthropic.RateLimitError, 500: anthropic.InternalServerError,
             503: anthropic.APIStatusError}
    reasons = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
               "refusal": "content_filter"}

    def open(self):
        self.client = anthropic.Anthropic(base_url=self.base, api_key=self.key, max_retries=0,
                                          http_client=anthropic.DefaultHttpxClient(**QUICK))
        self.instructions = None

    def request(self, limit=None, tools=None, choice=None, schema=None, stop=None, think=None, cold=None):
        words = {"auto": {"type": "auto"}, "required": {"type": "any"}, "none": {"type": "none"}}
        named = choice and words.get(choice, {"type": "tool", "name": choice})
        return {"model": self.model, "messages": self.history, "max_tokens": limit or 1000,
                **without_none(system=self.instructions, tool_choice=named, stop_sequences=stop,
                               thinking=think and {"type": "adaptive"}, extra_body=cold and {"temperature": 0},
                               output_config=schema and {"format": {"type": "json_schema", "schema": schema}},
                               tools=tools and [{"name": t["name"], "description": t["description"],
                                                 "input_schema": t["parameters"]} for t in tools])}

    def system(self, text):
        self.instructions = text

    def whole(self, **wishes):
        return self.keep(self.client.messages.create(**self.request(**wishes)))

    def streamed(self, **wishes):
        with self.client.messages.stream(**self.request(**wishes)) as stream:
            ended = [event.type for event in stream][-1:] == ["message_stop"]
            if not ended:
                raise anthropic.APIError("no message_stop", None, body=None)
            return self.keep(stream.get_final_message())

    def keep(self, answer):
        usage = answer.usage
        said = Said(model=answer.model, cached=usage.cache_read_input_tokens or 0)
        said.tokens = (usage.input_tokens + said.cached + (usage.cache_creation_input_tokens or 0), usage.output_tokens)
        said.finish = self.reasons[answer.stop_reason]
        self.history.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
        for block in answer.content:
            if block.type == "text":
                said.text += block.text
            elif block.type == "thinking":
                said.reasoning += block.thinking
            elif block.type == "tool_use":
                said.calls.append(Call(block.id, block.name, block.input))
        return said

    def result(self, call, text, failed=False):
        block = {"type": "tool_result", "tool_use_id": call.id, "content": text, **({"is_error": True} if failed else {})}
        if isinstance(self.history[-1]["content"], list) and self.history[-1]["role"] == "user":
            self.history[-1]["content"].append(block)
        else:
            self.history.append({"role": "user", "content": [block]})

    def pieces(self, **wishes):
        stream = self.client.messages.create(**self.request(**wishes), stream=True)
        return stream, self.texts(stream)

    def texts(self, stream):
        ended = False
        for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text
            ended = event.type == "message_stop"
        if not ended:
            raise anthropic.APIError("no message_stop", None, body=None)


class Ollama(Talk):
    dialect = "ollama"
    failures = (ollama.ResponseError,)
    kinds = dict.fromkeys([400, 401, 403, 404, 429, 500, 503], ollama.ResponseError)

    def open(self):
        self.client = ollama.Client(host=self.base, headers={"authorization": f"Bearer {self.key}"}, **QUICK)

    def request(self, limit=None, tools=None, choice=None, schema=None, stop=None, think=None, cold=None):
        assert choice in (None, "auto"), "the dialect has no tool_choice"
        options = without_none(num_predict=limit, stop=stop, temperature=0 if cold else None)
        return {"model": self.model, "messages": self.history, "options": options,
                **without_none(format=schema, think=think, tools=tools and [{"type": "function", "function": t} for t in tools])}

    def whole(self, **wishes):
        answer = self.client.chat(**self.request(**wishes))
        return self.keep([answer])

    def streamed(self, **wishes):
        return self.keep(list(self.client.chat(**self.request(**wishes), stream=True)))

    def keep(self, parts):
        if not parts or not parts[-1].done:
            raise ollama.ResponseError("no done")
        assert not any(p.done for p in parts[:-1])
        last = parts[-1]
        said = Said("".join(p.message.content or "" for p in parts), "".join(p.message.thinking or "" for p in parts),
                    [Call("", c.function.name, dict(c.function.arguments)) for p in parts for c in p.message.tool_calls or []],
                    last.done_reason, (last.prompt_eval_count, last.eval_count), model=last.model)
        calls = [c for p in parts for c in p.message.tool_calls or []]
        self.history.append(ollama.Message(role="assistant", content=said.text, thinking=said.reasoning or None,
                                           tool_calls=calls or None))
        if said.calls:
            said.finish = "tool_calls"
        return said

    def result(self, call, text, failed=False):
        self.history.append({"role": "tool", "tool_name": call.name, "content": text})

    def pieces(self, **wishes):
        stream = self.client.chat(**self.request(**wishes), stream=True)
        return stream, self.texts(stream)

    def texts(self, stream):
        done = False
        for part in stream:
            if part.message.content:
                yield part.message.content
            done = part.done
        if not done:
            raise ollama.ResponseError("no done")

    def embed(self, texts):
        return [list(e) for e in self.client.embed(model=self.model, input=texts).embeddings]


TALKS = {talk.dialect: talk for talk in (Chat, Responses, Messages, Ollama)}

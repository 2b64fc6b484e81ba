# SPDX-License-Identifier: Apache-2.0
"""Clients of every dialect: the same conversation in each one's words, a connection that asks, and a runtime that answers unread."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
from dataclasses import dataclass

from harness import KEY, Unmeasured

# A conversation is a list of turns: (kind, text), or ("call", name, arguments) and ("result", text) behind it.
WORDS = "The quick brown fox said: \"jump over\tthe lazy dog\"\nand went its way. "
TOOLS = ("read_file", "write_file", "search", "run_command")
SCHEMA = {"type": "object", "required": ["path"], "properties": {
    "path": {"type": "string", "description": "Which file is meant, from the root of the project."},
    "lines": {"type": "array", "items": {"type": "integer"}, "description": "The first line and the last one."}}}


def short() -> list[tuple]:
    """A question of about 1 KB."""
    return [("user", WORDS * 14)]


def long(size: int) -> list[tuple]:
    """An agent's session of about that many bytes, with a tool call in every other turn."""
    turns: list[tuple] = [("system", WORDS * 20)]
    while len(json.dumps(chat(turns))) < size:
        n = len(turns)
        turns += [("user", WORDS * 4), ("assistant", WORDS * 6), ("user", WORDS),
                  ("call", TOOLS[n % len(TOOLS)], {"path": f"src/part{n}/file{n}.c", "lines": [n, n + 40]}), ("result", WORDS * 14)]
    return turns[:-1] + [("result", WORDS)]


# --- the same in each dialect ---

def say_chat(turns: list[tuple]) -> list[dict]:
    said = []
    for n, (kind, *what) in enumerate(turns):
        if kind == "call":
            call = {"id": f"call_{n}", "type": "function", "function": {"name": what[0], "arguments": json.dumps(what[1])}}
            said.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "result":
            said.append({"role": "tool", "tool_call_id": f"call_{n - 1}", "content": what[0]})
        else:
            said.append({"role": kind, "content": what[0]})
    return said


def say_messages(turns: list[tuple]) -> list[dict]:
    said = []
    for n, (kind, *what) in enumerate(turns):
        if kind == "call":
            said.append({"role": "assistant", "content": [{"type": "tool_use", "id": f"call_{n}", "name": what[0], "input": what[1]}]})
        elif kind == "result":
            said.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"call_{n - 1}", "content": what[0]}]})
        elif kind != "system":
            said.append({"role": kind, "content": [{"type": "text", "text": what[0]}]})
    return said


def say_responses(turns: list[tuple]) -> list[dict]:
    said = []
    for n, (kind, *what) in enumerate(turns):
        if kind == "call":
            said.append({"type": "function_call", "call_id": f"call_{n}", "name": what[0], "arguments": json.dumps(what[1])})
        elif kind == "result":
            said.append({"type": "function_call_output", "call_id": f"call_{n - 1}", "output": what[0]})
        elif kind != "system":
            part = "output_text" if kind == "assistant" else "input_text"
            said.append({"type": "message", "role": kind, "content": [{"type": part, "text": what[0]}]})
    return said


def say_ollama(turns: list[tuple]) -> list[dict]:
    said, name = [], ""
    for kind, *what in turns:
        if kind == "call":
            name = what[0]
            said.append({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": name, "arguments": what[1]}}]})
        elif kind == "result":
            said.append({"role": "tool", "tool_name": name, "content": what[0]})
        else:
            said.append({"role": kind, "content": what[0]})
    return said


def system_of(turns: list[tuple]) -> str:
    return "\n".join(text for kind, text, *_ in turns if kind == "system") or "Be brief."


def functions() -> list[dict]:
    return [{"name": name, "description": WORDS, "parameters": SCHEMA} for name in TOOLS]


def tools_of(turns: list[tuple], shape) -> dict:
    """The tools in a dialect's shape, where the conversation calls any."""
    return {"tools": [shape(f) for f in functions()]} if any(kind == "call" for kind, *_ in turns) else {}


def chat(turns: list[tuple]) -> dict:
    return {"messages": say_chat(turns), "max_tokens": 100000, "stream_options": {"include_usage": True},
            **tools_of(turns, lambda f: {"type": "function", "function": f})}


def messages(turns: list[tuple]) -> dict:
    return {"system": system_of(turns), "messages": say_messages(turns), "max_tokens": 100000,
            **tools_of(turns, lambda f: {"name": f["name"], "description": f["description"], "input_schema": f["parameters"]})}


def responses(turns: list[tuple]) -> dict:
    return {"instructions": system_of(turns), "input": say_responses(turns), "store": False, "max_output_tokens": 100000,
            **tools_of(turns, lambda f: {"type": "function", "strict": False, **f})}


def ollama(turns: list[tuple]) -> dict:
    return {"messages": say_ollama(turns), "options": {"num_predict": 100000},
            **tools_of(turns, lambda f: {"type": "function", "function": f})}


@dataclass(frozen=True, eq=False)
class Client:
    """What speaks one dialect. Tokens of the mock runtime are numbered; `piece` finds one in a frame."""
    title: str
    dialect: str  # in the setting `dialects`
    path: str
    body: object
    piece: re.Pattern
    answer: dict  # a whole one

    def request(self, model: str, turns: list[tuple], stream: bool) -> bytes:
        """All bytes of a request."""
        asked = self.body(turns)
        if not stream:
            asked.pop("stream_options", None)
        body = json.dumps({"model": model, **asked, "stream": stream}).encode()
        head = (f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\nanthropic-version: 2023-06-01\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")
        return head.encode() + body

    def pieces(self, answer: bytes) -> list[int]:
        """Numbers of the tokens in the frames of a stream."""
        return [int(number) for number in self.piece.findall(answer)]


USAGE = {"input_tokens": 9, "output_tokens": 2}

CHAT = Client("chat", "chat", "/v1/chat/completions", chat, re.compile(rb'"content":"t(\d+) "'), {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1763692800, "model": "mock",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}})
MESSAGES = Client("Messages", "messages", "/v1/messages", messages, re.compile(rb'"text":"t(\d+) "'), {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "mock", "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE})
RESPONSES = Client("Responses", "responses", "/v1/responses", responses, re.compile(rb'"delta":"t(\d+) "'), {
    "id": "resp_1", "object": "response", "created_at": 1763692800, "model": "mock", "status": "completed", "output": [
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "Yes.", "annotations": []}]}], "usage": {**USAGE, "total_tokens": 11}})
OLLAMA = Client("Ollama", "ollama", "/api/chat", ollama, re.compile(rb'"content":"t(\d+) "'), {
    "model": "mock", "created_at": "2026-11-26T00:00:00Z", "message": {"role": "assistant", "content": "Yes."}, "done": True,
    "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2})
CLIENTS = (CHAT, MESSAGES, RESPONSES, OLLAMA)


class Connection:
    """One connection, for one request after the other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> bytes:
        """The body of the answer."""
        self.socket.sendall(request)
        answer = http.client.HTTPResponse(self.socket, method="POST")
        answer.begin()
        body = answer.read()
        if answer.status != 200 or answer.will_close:
            raise Unmeasured(f"a request was answered with {answer.status} and {body[:300]!r}")
        return body


class Unreading:
    """A runtime of all dialects that answers without a look at what it is asked: so it takes the same time for all of them. It begins
    on the cores of whoever enters it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answers = {}
        for client in CLIENTS:
            body = json.dumps(client.answer).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            self.answers[client.path.encode()] = head.encode() + body

    def __enter__(self) -> "Unreading":
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as asked, contextlib.suppress(OSError):
            while line := asked.readline():
                fields = dict(field.lower().split(b":", 1) for field in iter(asked.readline, b"\r\n"))
                asked.read(int(fields[b"content-length"]))
                connection.sendall(self.answers[line.split()[1]])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine on real weights beside two oracles: llama-server of the same libllama, and models in NumPy.

    build/venv/bin/python test/oracle.py

What a chat becomes (text and number of tokens) and greedy answers on SmolLM2; embeddings on MiniLM; scores of a small
reranker of random weights. Prints a line for each comparison and ends with 1 when one fails. Needs `scripts/setup --for
models` and `scripts/models minilm`. `make oracle` runs it.
"""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import numpy as np

import minilm_reference
import tiny_models

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "build/models"
CONVERSATIONS = json.loads((ROOT / "test/data/conversations.json").read_text())
ANSWER = 24  # tokens of a greedy answer
QUESTIONS = ("What is the capital of France?", "Name three colours.", "Write a haiku about rain.", "How do I boil an egg?", "Why is the sky blue?",
             "Say it in German: good morning.", "What is 7 times 8?", "Who wrote Hamlet?", "Tell me a joke.", "Was ist ein Mutex?",
             "Summarise: the cat sat on the mat.", "List the planets.", "Translate 'cat' into Japanese: 猫?")
CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
PATIENCE = 120
TEXTS = ["hello world", "Ünïcödé und 日本語", "a " * 200, "The quick brown fox jumps over the lazy dog.", "", "123 + 456 = 579", "don't stop",
         "Emoji 😀 test", "UPPER lower", "tabs\tand\nnewlines"]


def plain_chats():
    """Each question alone, and behind the one before with an answer."""
    for before, question in zip(QUESTIONS[-1:] + QUESTIONS, QUESTIONS):
        asked = {"role": "user", "content": question}
        yield {"name": question, "messages": [asked]}
        yield {"name": f"{before} {question}", "messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": before},
                                                             {"role": "assistant", "content": "I do not know."}, asked]}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(port, path, body):
    """Status and body, as JSON."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextlib.contextmanager
def running(command, cwd):
    """A server that answers /health; its port."""
    port = free_port()
    with open(cwd / "log", "ab") as log:
        child = subprocess.Popen([str(a).replace("PORT", str(port)) for a in command], cwd=cwd, stdout=log, stderr=log)
    try:
        for _ in range(PATIENCE * 10):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200:
                    break
            if child.poll() is not None:
                sys.exit(f"oracle: {command[0]} has ended: {(cwd / 'log').read_text()[-500:]}")
            time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        child.wait()


def engine(model, folder, *options):
    return running([ROOT / "build/hostler-engine", "--model", model, "--listen", "127.0.0.1:PORT", "--slots", 1, "--context", 4096,
                    "--threads", 2, "--blas", "off", *options], folder)


def llama_server(model, folder, *options):
    """With the back ends for CPUs alone, which it looks for in its folder."""
    unpacked = ROOT / "build/deps/llama"
    for library in unpacked.glob("root/usr/lib/*/ggml/backends0/libggml-cpu*.so"):
        link = folder / library.name
        if not link.exists():
            link.symlink_to(library)
    program = unpacked / "bin/llama-server" if unpacked.exists() else shutil.which("llama-server")
    return running([program, "-m", model, "--host", "127.0.0.1", "--port", "PORT", "-np", 1, "-c", 4096, "-t", 2, "--no-webui", *options], folder)


class Tally:
    def __init__(self):
        self.failed = 0

    def say(self, what, right, count, note=""):
        self.failed += right != count
        print(f"{'ok  ' if right == count else 'FAIL'} {what}: {right} of {count}{note}", flush=True)


def spells_control(conversation):
    return any(name in json.dumps(conversation, ensure_ascii=False) for name in CONTROL)


def beginning_of(conversation):
    """An answer that goes on: llama-server says its beginning again."""
    last = conversation["messages"][-1]
    return last["content"] if last["role"] == "assistant" and isinstance(last.get("content"), str) else ""


def ask(port, conversation):
    """Nothing of it is in the cache: what is computed in other company differs in the last digits, and a greedy answer with it."""
    post(port, "/v1/completions", {"prompt": "0 1 2 3 4 5 6 7 8 9", "max_tokens": 1})
    return post(port, "/v1/chat/completions", {"messages": conversation["messages"], "temperature": 0, "max_tokens": ANSWER})


def compare_chats(tally, folder):
    """Conversations that both servers take. Ours keeps control tokens from users, so the number of tokens is compared where
    nobody spells one."""
    model = MODELS / "smollm2.gguf"
    counts = dict.fromkeys(("texts", "asked", "tokens", "answers", "both"), 0)
    with engine(model, folder) as ours, llama_server(model, folder, "--jinja", "-cram", 0) as theirs:
        for conversation in CONVERSATIONS + list(plain_chats()):
            body = {"messages": conversation["messages"]}
            (status, mine), (peer_status, yours) = post(ours, "/apply-template", body), post(theirs, "/apply-template", body)
            if status != 200 or peer_status != 200:
                print(f"     {conversation['name']}: ours {status} {mine.get('error', {}).get('message', '')}; "
                      f"llama-server {peer_status} {str(yours)[:90] if peer_status != 200 else ''}")
                continue
            counts["both"] += 1
            same = mine["prompt"] == yours["prompt"]
            counts["texts"] += same
            if not same:
                print(f"     {conversation['name']}:\n       ours   {mine['prompt']!r}\n       theirs {yours['prompt']!r}")
            if spells_control(conversation) or not same:
                continue
            counts["asked"] += 1
            (_, mine), (_, yours) = ask(ours, conversation), ask(theirs, conversation)
            tokens = [answer["usage"]["prompt_tokens"] for answer in (mine, yours)]
            texts = [answer["choices"][0]["message"]["content"] for answer in (mine, yours)]
            texts[1] = texts[1].removeprefix(beginning_of(conversation))
            counts["tokens"] += tokens[0] == tokens[1]
            counts["answers"] += texts[0] == texts[1]
            if tokens[0] != tokens[1] or texts[0] != texts[1]:
                print(f"     {conversation['name']}: {tokens} tokens\n       ours   {texts[0]!r}\n       theirs {texts[1]!r}")
    tally.say("SmolLM2, prompts as llama-server renders them", counts["texts"], counts["both"])
    tally.say("SmolLM2, tokens of prompts", counts["tokens"], counts["asked"])
    tally.say("SmolLM2, greedy answers", counts["answers"], counts["asked"], f" ({ANSWER} tokens each)")


def compare_embeddings(tally, folder):
    model = MODELS / "minilm.gguf"
    with engine(model, folder) as port:
        vectors = np.array([row["embedding"] for row in post(port, "/v1/embeddings", {"input": TEXTS})[1]["data"]])
        short = np.array([row["embedding"] for row in post(port, "/v1/embeddings", {"input": TEXTS, "dimensions": 64})[1]["data"]])
    reference = np.array(minilm_reference.embed(TEXTS))
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    cosines = (vectors * reference).sum(axis=1)
    tally.say("MiniLM, cosine with NumPy at least 0.999", int((cosines >= 0.999).sum()), len(TEXTS), f" (least {cosines.min():.6f})")
    cut = vectors[:, :64] / np.linalg.norm(vectors[:, :64], axis=1, keepdims=True)
    tally.say("MiniLM, 64 dimensions", int(np.isclose(short, cut, atol=1e-3).all(axis=1).sum()), len(TEXTS))


def compare_ranks(tally, folder):
    documents = ["the capital of france", "cats sleep a lot", "berlin", "a quick brown fox"]
    model = tiny_models.reranker()
    with engine(model, folder) as port:
        results = post(port, "/v1/rerank", {"query": "what is it", "documents": documents})[1]["results"]
    scores = {row["index"]: row["relevance_score"] for row in results}
    expected = tiny_models.rank("what is it", documents)
    close = sum(abs(scores[i] - expected[i]) < 2e-2 for i in range(len(documents)))
    tally.say("reranker of random weights, scores with NumPy", close, len(documents))
    tally.say("reranker, best first", int([r["index"] for r in results] == sorted(scores, key=lambda i: -scores[i])), 1)


def main():
    for name in ("smollm2.gguf", "minilm.gguf"):
        if not (MODELS / name).exists():
            sys.exit(f"oracle: build/models/{name} is missing: scripts/models all")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for compare in (compare_chats, compare_embeddings, compare_ranks):
            compare(tally, pathlib.Path(folder))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Python's jinja2 as transformers sets it up, and the comparison of our renderings with it."""

import datetime
import json
import os
import pathlib
import subprocess

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

TEST = pathlib.Path(__file__).resolve().parent
ROOT = TEST.parent
NOW = 1753142400
OWN = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


class Generation(jinja2.ext.Extension):
    """{% generation %}: a block that is rendered as it is, in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("render"), [], [], body).set_lineno(line)

    def render(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(form):
    return datetime.datetime.fromtimestamp(NOW).strftime(form)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def expected(env, source, all_variables):
    """What jinja2 renders for each set of variables; None where it raises."""
    try:
        template = env.from_string(source)
    except Exception:  # whatever it is, a template that cannot be compiled
        return [None] * len(all_variables)
    results = []
    for variables in all_variables:
        try:
            text = template.render(**json.loads(json.dumps(variables)), **OWN)
            text.encode()
            results.append(text)
        except Exception:  # whatever it is, a rendering that fails
            results.append(None)
    return results


def program():
    """The render program: HOSTLER_JINJA_RENDER, or that of the build with sanitizers."""
    return os.environ.get("HOSTLER_JINJA_RENDER") or str(ROOT / "build/asan/test/jinja/jinja-render")


def rendered(jobs):
    """Our answers to [(template, [variables, ...]), ...], in order, as the program gives them."""
    lines = []
    for source, all_variables in jobs:
        for i, variables in enumerate(all_variables):
            line = {"own": OWN, "now": NOW, **variables}
            if i == 0:
                line["template"] = source
            lines.append(json.dumps(line, ensure_ascii=False))
    done = subprocess.run([program()], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def load_conversations():
    return json.loads((TEST / "data/conversations.json").read_text())


def pairs(conversation):
    """The ways a conversation is rendered: with and without its tools, with and without what asks the model to go on."""
    base = {"messages": conversation["messages"], **conversation.get("variables", {})}
    tools = conversation.get("tools")
    for ask in (False, True):
        yield {**base, "add_generation_prompt": ask}
        yield {**base, "add_generation_prompt": ask, "enable_thinking": ask}
        if tools:
            yield {**base, "add_generation_prompt": ask, "tools": tools}
            yield {**base, "add_generation_prompt": ask, "tools": tools, "enable_thinking": not ask}


def compare(templates, all_variables):
    """Compares {name: source} on all sets of variables. Returns how many pairs there were, how many of them rendered,
    and [(name, variables, ours, theirs)] of those that differ."""
    env = environment()
    ours = iter(rendered([(source, all_variables) for source in templates.values()]))
    count, good, differing = 0, 0, []
    for name, source in templates.items():
        for variables, theirs in zip(all_variables, expected(env, source, all_variables)):
            mine = next(ours)
            count += 1
            good += theirs is not None
            if mine.get("text") != theirs:
                differing.append((name, variables, mine, theirs))
    return count, good, differing


def explain(differing):
    """The first difference of each template, in words."""
    seen, lines = {}, []
    for name, variables, mine, theirs in differing:
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            continue
        text = mine.get("text")
        if text is None or theirs is None:
            lines.append(f"{name}: ours {str(mine)[:300]}, theirs {str(theirs)[:200]!r}; {str(variables)[:300]}")
            continue
        at = next((i for i, (a, b) in enumerate(zip(text, theirs)) if a != b), min(len(text), len(theirs)))
        lines.append(f"{name}: at {at}: ours {text[max(0, at - 60):at + 60]!r}, theirs {theirs[max(0, at - 60):at + 60]!r}")
    return "\n".join(lines + [f"{name}: {n} differ" for name, n in seen.items()])

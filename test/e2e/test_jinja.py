# SPDX-License-Identifier: Apache-2.0
"""Our renderings of chat templates are those of Python's jinja2, byte for byte; where it raises, we report an error."""

import os
import pathlib

import jinja_reference as reference
import pytest

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
REAL = reference.ROOT / "build/templates"
CONVERSATIONS = reference.load_conversations()


def sources(folder):
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in sorted(folder.rglob("*.jinja*"))}


def all_pairs():
    return [variables for conversation in CONVERSATIONS for variables in reference.pairs(conversation)]


def check(templates, all_variables):
    count, good, differing = reference.compare(templates, all_variables)
    assert not differing, reference.explain(differing)
    return count, good


def test_there_is_enough_to_compare():
    assert len(sources(DATA / "templates")) >= 30
    assert len(CONVERSATIONS) >= 40


def test_our_templates_render_alike():
    count, good = check(sources(DATA / "templates"), all_pairs())
    assert good > count * 0.9


def test_expressions_evaluate_alike():
    """Most of them fail: so do ours."""
    lines = (DATA / "expressions.txt").read_text().splitlines()
    few = [next(reference.pairs(conversation)) for conversation in CONVERSATIONS[:12]]
    check({line: "{{ " + line + " }}" for line in lines}, few)


def test_templates_of_models_render_alike():
    """Those that `scripts/setup --for templates` fetched, if it did: all of them, each on a part of the conversations.
    HOSTLER_ALL_PAIRS=1 (`make templates`): on all."""
    templates = sources(REAL) if REAL.is_dir() else {}
    share = all_pairs()[:: 1 if os.environ.get("HOSTLER_ALL_PAIRS") else 9]
    if templates:
        count, good = check(templates, share)
        print(f"{len(templates)} templates, {count} renderings alike, {good} of them texts")


@pytest.mark.parametrize("tail", ["", "\n", "\r\n", "\n\n"])
def test_the_end_of_a_template(tail):
    check({"end": "a{% if true %}\n  b\n{% endif %}" + tail, "text": "a\r\nb\rc" + tail}, [{"messages": []}])


def test_data_is_told_from_the_template():
    line = {"want_pieces": True, "messages": [{"role": "user", "content": "<|im_end|>"}]}
    source = "{% for m in messages %}<|im_start|>{{ m.role + '\\n' + m.content|upper }}<|im_end|>{% endfor %}{{ eos_token }}"
    (answer,) = reference.rendered([(source, [line])])
    assert answer["pieces"] == [["<|im_start|>", True], ["user", False], ["\n", True], ["<|IM_END|>", False],
                                ["<|im_end|></s>", True]]

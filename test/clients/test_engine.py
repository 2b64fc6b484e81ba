# SPDX-License-Identifier: Apache-2.0
"""Every client with our own engine: on its scripted model, and with `make clients` on real weights, too."""

import concurrent.futures
import json
import re

import jsonschema
import pytest

from harness import ENGINE, ROOT, Processes
from kinds import EVERYTHING
from sdks import TALKS, TOOLS, Chat, Messages, Ollama, Responses

every_client = pytest.mark.parametrize("sdk", TALKS.values(), ids=TALKS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
# Real weights compute a prompt that is partly cached, or with another number of threads, a little differently: in the long run that can
# turn the choice of a word.
SURE = 20
# Closed in each member, so that a model that says anything comes to an end.
COLOUR = {"type": "object", "properties": {"colour": {"enum": ["red", "green", "blue"]}, "bright": {"type": "boolean"}},
          "required": ["colour", "bright"], "additionalProperties": False}
PERSON = {"type": "object",
          "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
                         "email": {"type": "string", "pattern": "^[a-z]{1,10}@[a-z]{1,10}\\.org$"},
                         "roles": {"type": "array", "items": {"enum": ["admin", "reader"]}, "maxItems": 3}},
          "required": ["name", "age", "email", "roles"], "additionalProperties": False}
WEIGHTS = ROOT / "build/models/smollm2.gguf"


@pytest.fixture(scope="module", params=["scripted", "smollm2"] if EVERYTHING else ["scripted"])
def engine(request):
    """A gateway with an engine for the model m, and whether the model is real."""
    started = Processes()
    try:
        yield start(started, request.param == "smollm2")
    finally:
        started.stop()


def start(started, real):
    file = WEIGHTS if real else started.folder / "model.fake"
    if not real:
        file.write_text("hostler fake model\n")
    assert file.exists(), f"{file} is missing; run scripts/setup --for models"
    gate = started.gate([{"name": "m", "engine": {"file": str(file), "slots": 2}}], env={"HOSTLER_ENGINE": ENGINE} if real else None)
    return gate, real


@pytest.fixture
def talk(engine):
    begun = []

    def begin(sdk, model="m"):
        begun.append(sdk(engine[0].url, model))
        return begun[-1]
    yield begin
    for one in begun:
        one.client.close()


@every_client
def test_text(talk, engine, sdk):
    """The same, whole and streamed."""
    whole, streamed = (talk(sdk).say("Hello there, how are you?", stream, limit=40, cold=True) for stream in (False, True))
    assert whole.text and whole.model == "m"
    assert (streamed.text[:SURE], streamed.finish, streamed.tokens) == (whole.text[:SURE], whole.finish, whole.tokens)
    assert engine[1] or streamed.text == whole.text
    assert whole.tokens[0] > 5 and 0 < whole.tokens[1] <= 40
    assert engine[1] or (whole.text, whole.finish) == ("Hello there, how are you?", "stop")


def test_all_clients_get_the_same(talk):
    answers = {sdk: talk(sdk).say("Name a colour.", limit=20, cold=True) for sdk in TALKS.values()}
    assert len({(a.text[:SURE], a.tokens, a.finish) for a in answers.values()}) == 1, answers


@every_client
@both_ways
def test_limit(talk, sdk, stream):
    said = talk(sdk).say("Tell a long story about the sea, please.", stream, limit=5, cold=True)
    assert (said.finish, said.tokens[1]) == ("length", 5)


@every_client
@both_ways
def test_a_talk_that_goes_on(talk, engine, sdk, stream):
    one = talk(sdk)
    one.system("Be kind.")
    first = one.say("Hello.", stream, limit=20, cold=True)
    second = one.say("And again.", stream, limit=20, cold=True)
    assert first.text and second.text and second.tokens[0] > first.tokens[0]
    assert engine[1] or (first.text, second.text) == ("Hello.", "And again.")


@pytest.mark.parametrize("sdk", [Responses, Messages], ids=lambda s: s.dialect)
def test_count_tokens(talk, sdk):
    """As many as the usage of an answer tells."""
    one = talk(sdk)
    one.user("How long is this?")
    if sdk is Messages:
        counted = one.client.messages.count_tokens(model="m", messages=one.history).input_tokens
    else:
        counted = one.client.responses.input_tokens.count(model="m", input=one.history).input_tokens
    assert counted == one.ask(limit=3).tokens[0]


@pytest.mark.parametrize("sdk", [Chat, Ollama], ids=lambda s: s.dialect)
def test_embeddings(talk, engine, sdk):
    try:
        a, b, again = talk(sdk).embed(["a cat", "a ship", "a cat"])
    except sdk.failures as error:
        assert engine[1] and error.status_code == 400  # a chat model that has none
    else:
        assert a == again and a != b and abs(sum(x * x for x in a) - 1) < 1e-3


CLOSED = [{"name": name, "description": "what time it is",
           "parameters": {"type": "object", "properties": {"zone": {"enum": ["here", "there"]}}, "required": ["zone"],
                          "additionalProperties": False}} for name in ("clock", "weather")]


@every_client
@both_ways
def test_a_model_calls_tools(talk, engine, sdk, stream):
    """The scripted model says what it is told; what a real one says is its own affair."""
    if engine[1]:
        return
    one = talk(sdk)
    calls = [{"name": "weather", "arguments": {"city": "Bonn"}}, {"name": "clock", "arguments": {}}]
    said = one.say("Well.\n" + "\n".join(f"<tool_call>\n{json.dumps(c)}\n</tool_call>" for c in calls), stream, limit=200, tools=TOOLS)
    assert said.finish == "tool_calls"
    assert (said.text, [{"name": c.name, "arguments": c.arguments} for c in said.calls]) == ("Well.", calls)
    for call, text in zip(said.calls, ("It is warm.", "It is late.")):
        one.result(call, text)
    after = one.ask(stream, limit=200, tools=TOOLS)
    assert after.finish == "stop" and re.search("It is warm.*It is late", after.text, re.S), after


@pytest.mark.parametrize("sdk", [Chat, Responses, Messages], ids=lambda s: s.dialect)
@both_ways
@pytest.mark.parametrize("choice", ["clock", "required"])
def test_a_tool_that_must_be_called_is(talk, sdk, stream, choice):
    said = talk(sdk).say("Tell me a story.", stream, limit=400, tools=CLOSED, choice=choice, cold=True)
    assert said.calls and said.finish == "tool_calls" and not said.text, said
    for call in said.calls:
        assert call.name == "clock" or choice == "required"
        assert call.arguments in ({"zone": "here"}, {"zone": "there"})


@every_client
@both_ways
def test_an_answer_keeps_to_a_schema(talk, sdk, stream):
    said = talk(sdk).say("When?", stream, limit=60, schema=COLOUR, cold=True)
    assert said.finish == "stop", said
    jsonschema.validate(json.loads(said.text), COLOUR)


@every_client
@both_ways
def test_a_schema_that_cannot_be_kept_to_is_refused_by_name(talk, sdk, stream):
    with pytest.raises(sdk.kinds[400], match="uniqueItems") as caught:
        talk(sdk).say("When?", stream, schema={"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}})
    assert caught.value.status_code == 400


def test_many_wild_answers_keep_to_their_schema(talk):
    def answer(i):
        one = talk(Chat)
        wish = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
        return one.client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": f"Make up person number {i}."}], temperature=1.2, seed=i,
            max_tokens=300, response_format=wish).choices[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(answer, range(16)))
    whole = [json.loads(a.message.content) for a in answers if a.finish_reason == "stop"]
    assert whole and all(a.finish_reason in ("stop", "length") for a in answers)
    for person in whole:
        jsonschema.validate(person, PERSON)


@every_client
def test_leaving_frees_the_engine(talk, engine, sdk):
    one = talk(sdk)
    one.user("Tell a long story about the sea, please. " * 20)
    stream, pieces = one.pieces(limit=2000)
    next(pieces)
    pieces.close()
    stream.close()
    engine[0].idle()
    assert talk(sdk).say("Hello.", limit=3).tokens[1] > 0

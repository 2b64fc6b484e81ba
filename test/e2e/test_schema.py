# SPDX-License-Identifier: Apache-2.0
"""Terms of JSON schemas take valid instances and nothing else: test/data/schemas.json has some of each for every keyword, and
Python's jsonschema and llguidance agree on them."""

import itertools
import json
import random
import string

import pytest
import schema_reference as reference

SUITE = json.loads((reference.TEST / "data/schemas.json").read_text())
CASES = [(keyword, case) for keyword, cases in SUITE.items() for case in cases]
COMPILED = [(keyword, case) for keyword, case in CASES if "refused" not in case]


def instances(case):
    return [(instance, True) for instance in case["valid"]] + [(instance, False) for instance in case["invalid"]]


def test_instances_are_taken_or_not():
    questions = [{"schema": case["schema"], "texts": [text for instance, _ in instances(case) for text in reference.texts(instance)]}
                 for _, case in COMPILED]
    wrong = []
    for (keyword, case), question, answer in zip(COMPILED, questions, reference.check(questions)):
        wanted = [valid for instance, valid in instances(case) for _ in reference.SPACINGS]
        if "why" in answer and not case["valid"] and not answer["why"]:
            continue  # no instance is valid, so no text is taken
        if answer.get("taken") != wanted:
            wrong.append((keyword, case["schema"], answer.get("why"), [
                text for text, want, got in zip(question["texts"], wanted, answer.get("taken", [])) if want != got]))
    assert not wrong, "\n".join(map(str, wrong))


def test_what_cannot_be_enforced_is_refused_by_name():
    cases = [case for _, case in CASES if "refused" in case]
    answers = reference.check([{"schema": case["schema"], "texts": []} for case in cases])
    wrong = [(case["schema"], answer) for case, answer in zip(cases, answers)
             if answer.get("error") not in ("ERR_UNSUPPORTED", "ERR_SYNTAX") or ": " + case["refused"] not in answer["why"]]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("keyword", SUITE)
def test_jsonschema_agrees(keyword):
    for case in SUITE[keyword]:
        for instance, valid in instances(case) if "refused" not in case else []:
            assert reference.validator(case["schema"]).is_valid(instance) == valid, (case["schema"], instance)


def test_llguidance_agrees():
    """Where a case says that it does not, it is wrong."""
    compared = 0
    wrong = []
    for keyword, case in COMPILED:
        guidance = reference.Guidance(case["schema"])
        for instance, valid in instances(case) if not guidance.refused else []:
            compared += 1
            if guidance.takes(reference.texts(instance)[0]) != valid and "llguidance" not in case:
                wrong.append((keyword, case["schema"], instance, valid))
    assert not wrong, "\n".join(map(str, wrong))
    assert compared > 500


def within(wrap, times, schema):
    for _ in range(times):
        schema = wrap(schema)
    return schema


def words(seed, count, length):
    source = random.Random(seed)
    return ["".join(source.choices(string.ascii_lowercase + string.digits, k=length)) for _ in range(count)]


INTEGER = {"type": "integer"}
HOSTILE = {
    "items deep within each other": within(lambda s: {"items": s}, 29, {}),
    "properties deep within each other": within(lambda s: {"type": "object", "properties": {"a": s}}, 28, {}),
    "anyOf deep within each other": within(lambda s: {"anyOf": [s, {"type": "null"}]}, 28, {}),
    "allOf of both, 14 times": within(lambda s: {"allOf": [s, s]}, 14, INTEGER),
    "not deep within each other": within(lambda s: {"not": s}, 60, INTEGER),
    "many values": {"enum": words(1, 10000, 20)},
    "too many values": {"enum": words(1, 100000, 8)},
    "values that end alike": {"enum": [word + "a" * 25 for word in words(1, 5000, 12)]},
    "values that begin alike": {"enum": ["a" * i for i in range(1000)]},
    "numbers": {"enum": list(range(30000))},
    "objects": {"enum": [{"a": i, "b": [i]} for i in range(10000)]},
    "values in each of six lists": {"allOf": [{"enum": words(i, 3000, 6)} for i in range(6)]},
    "4^20 choices": {"type": "object", "allOf": [
        {"anyOf": [{"properties": {f"p{i}_{k}": INTEGER}} for k in range(4)]} for i in range(20)]},
    "4^10 choices that must exclude each other": {"type": "object", "allOf": [
        {"oneOf": [{"properties": {f"p{i}_{k}": INTEGER}} for k in range(4)]} for i in range(10)]},
    "many branches": {"oneOf": [{"properties": {word: INTEGER}} for word in words(1, 100, 3)]},
    "many objects to choose from": {"anyOf": [{"properties": dict.fromkeys(words(i, 10, 3), INTEGER)} for i in range(1000)]},
    "2^30 conditions": {"allOf": [
        {"if": {"properties": {a: {"const": 1}}}, "then": {"required": [b]}} for a, b in zip(words(1, 30, 3), words(2, 30, 3))]},
    "2^40 dependencies": {"dependentRequired": {a: [b] for a, b in zip(words(1, 40, 4), words(2, 40, 4))}},
    "a circle": {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, {}]}}},
    "a chain": {"$ref": "#/$defs/0", "$defs": {**{str(i): {"$ref": f"#/$defs/{i + 1}"} for i in range(3000)}, "3000": {}}},
    "a chain of allOf": {"$ref": "#/$defs/0", "$defs": {
        **{str(i): {"allOf": [{"$ref": f"#/$defs/{i + 1}"}]} for i in range(20000)}, "20000": {}}},
    "a chain of anyOf": {"$ref": "#/$defs/0", "$defs": {
        **{str(i): {"anyOf": [{"$ref": f"#/$defs/{i + 1}"}]} for i in range(20000)}, "20000": {}}},
    "a chain of not": {"$ref": "#/$defs/0", "$defs": {
        **{str(i): {"not": {"$ref": f"#/$defs/{i + 1}"}} for i in range(20000)}, "20000": INTEGER}},
    "branches that are alike": {"oneOf": [within(lambda s: {
        "type": "object", "properties": {"x": s}, "required": ["x"],
        "allOf": [{"anyOf": [{"properties": {f"q{i}": INTEGER}}]} for i in range(190)]}, 3, {"type": "object"})] * 2},
    "2^40 references": {"$ref": "#/$defs/0", "$defs": {
        **{str(i): {"anyOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2} for i in range(40)}, "40": INTEGER}},
    "references across": {"type": "object", "properties": {f"p{i}": {"$ref": f"#/$defs/{i % 50}"} for i in range(500)}, "$defs": {
        str(i): {"type": "object", "properties": {f"q{k}": {"$ref": f"#/$defs/{(i * 7 + k) % 50}"} for k in range(50)}}
        for i in range(50)}},
    "repeats in repeats": {"type": "string", "pattern": "^((((a?){50}){50}){50}){50}$"},
    "a pattern that grows": {"type": "string", "pattern": "(a|b)*a(a|b){25}$", "maxLength": 1000},
    "patterns at once": {"type": "string", "allOf": [{"pattern": "a.{%d}b" % i} for i in range(1, 11)]},
    "a long pattern": {"type": "string", "pattern": "^([a-z]+-)*[a-z]+$", "minLength": 50000, "maxLength": 60000},
    "many patterns of names": {"patternProperties": {f"{a}.*{b}": INTEGER for a, b in zip(words(1, 60, 3), words(2, 60, 3))}},
    "hard patterns of names": {"patternProperties": {"(a|b)*a(a|b){%d}$" % i: INTEGER for i in range(5, 16)}},
    "too many names": {"type": "object", "properties": dict.fromkeys(words(1, 10000, 6), INTEGER)},
    "names that are counted": {"type": "object", "properties": dict.fromkeys(words(1, 700, 6), INTEGER), "maxProperties": 60},
    "required names": {"required": words(1, 100000, 6)},
    "items without end": {"type": "array", "minItems": 4000000000},
    "many hits": {"type": "array", "contains": {"minItems": 5}, "minItems": 900, "maxItems": 1000},
    "a large divisor": {"type": "integer", "multipleOf": 999999937, "minimum": 1000000000, "maximum": 9999999999},
    "many divisors": {"allOf": [{"multipleOf": n} for n in (3, 7, 11, 13, 17)], "type": "integer", "minimum": 100},
    "numbers that must not be": {"type": "number", "not": {"enum": list(range(1000))}},
    "words that must not be": {"type": "string", "not": {"enum": words(1, 5000, 9)}},
    "long numbers": {"type": "integer", "minimum": 1e300, "maximum": 1.5e300},
    "many places": {"prefixItems": [INTEGER] * 5000},
}
PATIENCE = 4  # seconds of CPU time; on a machine of today each takes less than one


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_end(name):
    answer, = reference.check([{"schema": HOSTILE[name], "texts": ["{}", "[]", "1", '"a"'], "samples": 1}])
    assert answer["us"] < PATIENCE * 1e6, answer
    assert answer.get("error") in (None, "ERR_TOO_LARGE", "ERR_UNSUPPORTED", "ERR_INVALID")


def test_branches_that_a_property_tells_apart():
    """Many of them, of which none says that it is for objects."""
    kinds = words(1, 200, 5)
    schema = {"oneOf": [{"properties": {"kind": {"const": kind}, "x": INTEGER, "y": {"type": "string"}}, "required": ["kind", "x"]}
                        for kind in kinds]}
    answer, = reference.check([{"schema": schema, "texts": [
        json.dumps({"kind": kinds[150], "x": 1}), json.dumps({"kind": "other", "x": 1}), json.dumps({"kind": kinds[3]}), "1"]}])
    assert answer.get("taken") == [True, False, False, False], answer


RANDOM = 500  # schemas


def test_random_schemas():
    """What is taken is valid, and so are random texts that are taken; what is valid is taken in some order of its properties,
    but for few: those that fail a `not` or a branch in ways that terms cannot say."""
    questions, asked = [], []
    for seed in range(RANDOM):
        source = reference.Random(seed)
        schema = source.document()
        orders = [list(itertools.islice(reference.orders(source.instance()), 60)) for _ in range(20)]
        asked.append(orders)
        questions.append({"schema": schema, "seed": seed, "samples": 5,
                          "texts": [json.dumps(instance) for same in orders for instance in same]})
    compiled, valid, missed, wrong = 0, 0, 0, []
    for question, orders, answer in zip(questions, asked, reference.check(questions)):
        schema, taken = question["schema"], iter(answer.get("taken", []))
        compiled += "taken" in answer
        for text in answer.get("samples", []):
            if reference.is_valid(schema, json.loads(text)) is False:
                wrong.append((schema, text))
        for same in orders if "taken" in answer else []:
            good, some = reference.is_valid(schema, same[0]), any([next(taken) for _ in same])
            valid += bool(good)
            missed += bool(good) and not some
            if some and good is False:
                wrong.append((schema, same[0]))
    assert not wrong, "\n".join(map(str, wrong))
    assert compiled > RANDOM * 0.6 and missed < valid * 0.02, (compiled, valid, missed)

# SPDX-License-Identifier: Apache-2.0
"""What schemas mean to Python's jsonschema and to llguidance, and what our terms of them take."""

import itertools
import json
import os
import pathlib
import random
import subprocess

import jsonschema
import llguidance

TEST = pathlib.Path(__file__).resolve().parent
ROOT = TEST.parent
PROGRAM = os.environ.get("HOSTLER_GRAMMAR_CHECK", str(ROOT / "build/asan/test/grammar/grammar-check"))
SPACINGS = [
    {"separators": (",", ":")},
    {"separators": (", ", ": ")},
    {"separators": (",", ": "), "indent": 2},
]


def check(questions):
    """The program's answers to questions, which test/grammar/check.c describes."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run([PROGRAM], input=lines, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0 and not run.stderr, run.stderr
    return [json.loads(line) for line in run.stdout.split("\n") if line]


def texts(instance):
    return [json.dumps(instance, ensure_ascii=False, **spacing) for spacing in SPACINGS]


def orders(instance):
    """The instance with the properties of each object in each order."""
    if isinstance(instance, list):
        yield from (list(items) for items in itertools.product(*[list(orders(item)) for item in instance]))
    elif isinstance(instance, dict):
        for names in itertools.permutations(instance):
            for values in itertools.product(*[list(orders(instance[name])) for name in names]):
                yield dict(zip(names, values))
    else:
        yield instance


def validator(schema):
    """The draft that $schema names, 2020-12 if none; formats are checked, as far as jsonschema can."""
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def is_valid(schema, instance):
    """None: jsonschema gives up, on recursion (which the library below it makes a panic of) or on a large number."""
    try:
        return validator(schema).is_valid(instance)
    except BaseException as error:
        if isinstance(error, (RecursionError, OverflowError)) or type(error).__name__ == "PanicException":
            return None
        raise


class Guidance:
    """A schema as llguidance has it; `refused` when it has none."""

    tokens = llguidance.LLTokenizer("byte")

    def __init__(self, schema):
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        self.matcher = llguidance.LLMatcher(self.tokens, grammar)
        self.refused = self.matcher.is_error()

    def takes(self, text):
        self.matcher.reset()
        tokens = self.tokens.tokenize_str(text)
        return self.matcher.try_consume_tokens(tokens) == len(tokens) and self.matcher.is_accepting()


class Random:
    """Random schemas of few names and values, so that their keywords meet, and instances for them. One seed gives the same."""

    names = ["a", "b", "c", "ab"]
    scalars = [None, True, False, 0, 1, 2, 3, 5, -1, 0.5, 1.5, "", "a", "b", "ab", "abc"]

    def __init__(self, seed):
        self.r = random.Random(seed)

    def some(self, values, most=3):
        return self.r.sample(values, self.r.randint(1, min(most, len(values))))

    def scalar_keywords(self):
        r = self.r
        return r.choice([
            lambda: {"type": r.choice(["integer", "number", "string", "null", "boolean"])},
            lambda: {"type": self.some(["integer", "string", "array", "object", "null"])},
            lambda: {"enum": self.some(self.scalars, 4)},
            lambda: {"const": r.choice(self.scalars)},
            lambda: {r.choice(["minimum", "exclusiveMinimum"]): r.choice([-1, 0, 0.5, 2])},
            lambda: {r.choice(["maximum", "exclusiveMaximum"]): r.choice([0, 1.5, 2, 5])},
            lambda: {"multipleOf": r.choice([1, 2, 3, 0.5])},
            lambda: {"minLength": r.randint(0, 2)},
            lambda: {"maxLength": r.randint(0, 3)},
            lambda: {"pattern": r.choice(["^a", "b", "^[ab]", "a[^c]?b"])},
        ])()

    def array_keywords(self, depth):
        r = self.r
        return r.choice([
            lambda: {"items": self.schema(depth)},
            lambda: {"prefixItems": [self.schema(depth) for _ in range(r.randint(1, 2))]},
            lambda: {"minItems": r.randint(0, 2)},
            lambda: {"maxItems": r.randint(0, 3)},
            lambda: {"contains": self.schema(depth)},
            lambda: {"contains": self.schema(depth), "minContains": r.randint(0, 2)},
            lambda: {"unevaluatedItems": r.choice([True, False, {"type": "null"}])},
            lambda: {"uniqueItems": True, "items": {"enum": self.some(self.scalars)}},
        ])()

    def object_keywords(self, depth):
        r = self.r
        return r.choice([
            lambda: {"properties": {name: self.schema(depth) for name in self.names if r.random() < 0.6}},
            lambda: {"required": self.some(self.names, 2)},
            lambda: {"additionalProperties": self.schema(depth)},
            lambda: {"patternProperties": {r.choice(["^a", "b"]): self.schema(depth)}},
            lambda: {"propertyNames": r.choice([{"maxLength": 1}, {"enum": ["a", "b"]}, {"pattern": "a"}])},
            lambda: {"minProperties": r.randint(0, 2)},
            lambda: {"maxProperties": r.randint(0, 3)},
            lambda: {"dependentRequired": {r.choice(self.names): self.some(self.names, 1)}},
            lambda: {"dependentSchemas": {r.choice(self.names): self.schema(depth)}},
            lambda: {"unevaluatedProperties": r.choice([True, False, {"type": "null"}])},
        ])()

    def mixed_keywords(self, depth):
        r = self.r
        return r.choice([
            lambda: {"allOf": [self.schema(depth), self.schema(depth)]},
            lambda: {"anyOf": [self.schema(depth), self.schema(depth)]},
            lambda: {"oneOf": [self.schema(depth), self.schema(depth)]},
            lambda: {"not": self.schema(depth)},
            lambda: {"if": self.schema(depth), "then": self.schema(depth), "else": self.schema(depth)},
            lambda: {"$ref": "#/$defs/d"},
        ])()

    def schema(self, depth=3):
        r = self.r
        if depth == 0 or r.random() < 0.1:
            return r.choice([True, False, {}, self.scalar_keywords(), self.scalar_keywords()])
        schema = {}
        for _ in range(r.randint(1, 3)):
            kind = r.random()
            keywords = (self.scalar_keywords() if kind < 0.3 else self.array_keywords(depth - 1) if kind < 0.45 else
                        self.object_keywords(depth - 1) if kind < 0.75 else self.mixed_keywords(depth - 1))
            schema.update({name: value for name, value in keywords.items() if name not in schema})
        return schema

    def document(self):
        schema = self.schema()
        return {**schema, "$defs": {"d": self.schema(2)}} if isinstance(schema, dict) else schema

    def instance(self, depth=2):
        r = self.r
        kind = r.random()
        if depth == 0 or kind < 0.35:
            return r.choice(self.scalars)
        if kind < 0.6:
            return [self.instance(depth - 1) for _ in range(r.randint(0, 3))]
        return {name: self.instance(depth - 1) for name in self.names if r.random() < 0.4}

# SPDX-License-Identifier: Apache-2.0
"""Random JSON schemas of all that the engine enforces, and a check of answers under them."""

import datetime
import json
import random
import string

import jsonschema

FORMATS = ("date", "time", "date-time", "uuid", "ipv4", "email", "hostname")
PATTERNS = ("^[a-z]{2,8}$", "^(red|green|blue)-[0-9]{1,3}$", "[0-9]{3}", "^\\w+( \\w+){0,3}$", "^\\d+\\.\\d{2}$", "^(?:[A-Z][a-z]*)+$", "^.{0,10}x$")
CHECKER = jsonschema.FormatChecker(("date", "uuid", "ipv4", "email"))


@CHECKER.checks("date-time", ValueError)
def is_date_time(text):
    return not isinstance(text, str) or bool(datetime.datetime.fromisoformat(text).tzinfo)


@CHECKER.checks("time", ValueError)
def is_time(text):
    return not isinstance(text, str) or bool(datetime.datetime.fromisoformat(f"2000-01-01T{text}").tzinfo)


class Maker:
    """One schema after the other; the same for the same seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def name(self):
        return "".join(self.rng.choices(string.ascii_lowercase, k=self.rng.randint(1, 7)))

    def text(self):
        return "".join(self.rng.choices("abc XYZ09\"\\/\n\u00e9\u20ac\U0001f600", k=self.rng.randint(0, 8)))

    def bounds(self, most):
        least = self.rng.randint(0, most)
        return least, self.rng.randint(least, most)

    def string(self):
        kind = self.rng.randrange(4)
        if kind == 0:
            least, most = self.bounds(20)
            return {"type": "string", "minLength": least, "maxLength": most}
        if kind == 1:
            return {"type": "string", "pattern": self.rng.choice(PATTERNS)}
        if kind == 2:
            return {"type": "string", "format": self.rng.choice(FORMATS)}
        return {"type": "string", "maxLength": 30}

    def number(self):
        low, high = sorted(self.rng.randint(-2000, 2000) for _ in range(2))
        out = {"type": self.rng.choice(["integer", "number"]), self.rng.choice(["minimum", "exclusiveMinimum"]): low, "maximum": high + 2}
        if out["type"] == "integer" and high - low > 20 and self.rng.random() < 0.3:
            out["multipleOf"] = self.rng.randint(2, 9)
        return out

    def listed(self):
        values = [self.text(), self.rng.randint(-99, 99), None, True, [1, "two"], {"a": None}, 0.5]
        values = self.rng.sample(values, self.rng.randint(1, len(values)))
        return {"const": values[0]} if self.rng.random() < 0.3 else {"enum": values}

    def array(self, depth):
        least, most = self.bounds(4)
        out = {"type": "array", "items": self.schema(depth - 1), "minItems": least, "maxItems": most}
        if self.rng.random() < 0.3:
            out["prefixItems"] = [self.schema(0) for _ in range(self.rng.randint(1, 2))]
        return out

    def object(self, depth):
        names = sorted({self.name() for _ in range(self.rng.randint(0, 4))})
        out = {"type": "object", "properties": {name: self.schema(depth - 1) for name in names},
               "required": [name for name in names if self.rng.random() < 0.6], "additionalProperties": False}
        if not names or self.rng.random() < 0.2:
            out.update(additionalProperties=self.schema(0), propertyNames={"maxLength": 9}, maxProperties=len(names) + 2)
        return out

    def choice(self, depth):
        return {"anyOf": [self.schema(depth - 1) for _ in range(self.rng.randint(2, 3))]}

    def merged(self, depth):
        one = self.object(depth)
        return {"allOf": [{"required": list(one["properties"])[:1]}, one]}

    def schema(self, depth):
        simple = (self.string, self.number, self.listed, lambda: {"type": ["boolean", "null"]})
        if depth <= 0 or self.rng.random() < 0.2:
            return self.rng.choice(simple)()
        return self.rng.choice((self.array, self.object, self.object, self.choice, self.merged))(depth)

    def tree(self, depth):
        """A schema whose parts stand apart, and one that has itself in it."""
        node = {"type": "object", "properties": {"value": self.schema(0), "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
                "required": ["value", "next"], "additionalProperties": False}
        return {"$defs": {"node": node, "other": self.schema(depth - 1)}, "type": "object",
                "properties": {"list": {"$ref": "#/$defs/node"}, "other": {"$ref": "#/$defs/other"}},
                "required": ["list"], "additionalProperties": False}

    def make(self):
        return self.tree(2) if self.rng.random() < 0.2 else self.object(3)


def schemas(count, seed=1):
    maker = Maker(seed)
    return [maker.make() for _ in range(count)]


def wrong(schema, text):
    """Why the text is no instance; None when it is one."""
    try:
        jsonschema.validate(json.loads(text), schema, jsonschema.Draft202012Validator, format_checker=CHECKER)
        return None
    except (ValueError, jsonschema.ValidationError) as error:
        return str(error)[:300]

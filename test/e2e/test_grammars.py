# SPDX-License-Identifier: Apache-2.0
"""Answers under random schemas, from models that say anything at all."""

import pytest

from harness import ENGINE, ROOT
from schemas import schemas
from torture_grammars import AT_ONCE, generate


@pytest.mark.parametrize("model", ["random", "demo"])
def test_all_are_valid(processes, model):
    file, env = ROOT / "models/demo.gguf", {"HOSTLER_ENGINE": ENGINE}
    if model == "random":
        file, env = processes.folder / "random.fake", None
        file.write_text("hostler fake model\nmode random\n")
    gate = processes.gate([{"name": "m", "engine": {"file": str(file), "slots": AT_ONCE}}], env=env)
    verdicts = generate(gate, 100, schemas(50))
    assert not verdicts.bad and verdicts.valid >= 80, f"{verdicts} {verdicts.bad[:3]}"

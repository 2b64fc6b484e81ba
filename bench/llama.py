# SPDX-License-Identifier: Apache-2.0
"""Where llama-server is, and its back ends. Stands alone: the tests have a harness of their own and use this, too."""

from __future__ import annotations

import shutil
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build"


def server() -> str | None:
    ours = BUILD / "deps" / "llama" / "bin" / "llama-server"
    return str(ours) if ours.exists() else shutil.which("llama-server")


def unpacked_backends() -> Path | None:
    found = sorted((BUILD / "deps" / "llama" / "root").glob("usr/lib/*/ggml/backends*"))
    return found[-1] if found else None


def own_backends() -> Path | None:
    """Where an unpacked llama-server finds its back ends: it looks in the current folder. Its package brings those for CPUs."""
    unpacked = unpacked_backends()
    if not unpacked:
        return None
    own = BUILD / "bench" / "backends"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    for library in unpacked.glob("libggml-cpu*.so"):
        (own / library.name).symlink_to(library)
    return own

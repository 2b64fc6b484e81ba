# SPDX-License-Identifier: Apache-2.0
"""Commits of this project, built side by side in build/compare/SHA. What setup fetched is shared; any folder may be removed."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import ROOT, Process, Unmeasured, cores, note

CACHE = ROOT / "build" / "compare"
SHARED = ("deps", "venv")  # of build/
WORKING_TREE = "."


@dataclass(frozen=True)
class Version:
    """What a word of the command line means."""
    commit: str  # WORKING_TREE, or the whole SHA
    title: str   # for people: the short SHA and the subject

    @property
    def folder(self) -> Path:
        return CACHE / ("working-tree" if self.commit == WORKING_TREE else self.commit[:12])

    @property
    def program(self) -> Path:
        return self.folder / "build" / "hostler"


def git(*args: str) -> str:
    """What git prints; '' when it fails."""
    return subprocess.run(["git", "-C", ROOT, *args], capture_output=True, text=True, check=False).stdout.strip()


def resolve(word: str) -> Version:
    if word == WORKING_TREE:
        return Version(WORKING_TREE, "the working tree as it is")
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", word + "^{commit}")
    if not commit:
        raise Unmeasured(f"'{word}' is no commit of this project; `git log --oneline` lists them, and `.` is the working tree")
    return Version(commit, git("log", "-1", "--format=%h %s", commit))


def run(args: list, cwd: Path, log: Path) -> None:
    """Runs a command to its end, and ends all of it when this program is stopped."""
    p = Process(args, set(cores()), log, cwd=cwd)
    try:
        failed = p.child.wait()
    finally:
        p.stop()
    if failed:
        raise Unmeasured(f"`{' '.join(p.args)}` failed in {cwd}:\n{p.tail()}\n"
                         "`scripts/setup --for bench` installs what building needs")


def check_out(commit: str, folder: Path) -> None:
    """The files of a commit, and the fetched parts of this tree beside them."""
    folder.mkdir(parents=True)
    archive = folder / "archive.tar"
    run(["git", "archive", "--output", archive, commit], ROOT, folder / "archive.log")
    shutil.unpack_archive(archive, folder)
    archive.unlink()
    (folder / "build").mkdir()
    for name in SHARED:
        if (ROOT / "build" / name).exists():
            (folder / "build" / name).symlink_to(ROOT / "build" / name)


def build_commit(version: Version) -> None:
    """A folder has its name only when all of it is built."""
    part = version.folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    check_out(version.commit, part)
    run(["scripts/build", "release"], part, part / "build" / "compare.log")
    part.rename(version.folder)


def build_working_tree(version: Version) -> None:
    """The copy stays as it is while the tree changes."""
    CACHE.mkdir(parents=True, exist_ok=True)
    run(["scripts/build", "release"], ROOT, CACHE / "working-tree.log")
    version.program.parent.mkdir(parents=True, exist_ok=True)
    copy = version.program.with_suffix(".new")
    shutil.copy2(ROOT / "build" / "hostler", copy)
    copy.rename(version.program)


@contextlib.contextmanager
def alone():
    """One build at a time in the cache; the system opens the lock when its holder ends."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(version: Version) -> None:
    """Makes version.program, unless it is there."""
    with alone():
        if version.commit == WORKING_TREE:
            note("building the working tree")
            build_working_tree(version)
        elif not version.program.exists():
            note(f"building {version.title}")
            build_commit(version)

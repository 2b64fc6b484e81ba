# SPDX-License-Identifier: Apache-2.0
"""What a person sees: a program in a terminal of a given size, by tmux."""

import re
import shlex
import subprocess

from harness import HOSTLER, SANITIZERS, clean_environment, until


class Screen:
    """One at a time in a folder. It is gone with its program."""

    def __init__(self, folder, *argv, width=80, height=24, env=None, program=HOSTLER):
        self.socket = folder / "tmux"
        settings = {**clean_environment(), **SANITIZERS, "XDG_STATE_HOME": str(folder / "state"), **(env or {})}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height,
                  shlex.join([program, *map(str, argv)]), env=settings)

    def tmux(self, *argv, **how):
        return subprocess.run(["tmux", "-S", self.socket, *map(str, argv)], capture_output=True, text=True, check=True, timeout=20, **how).stdout

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def press(self, *keys):
        """Enter, Up, C-c ..."""
        self.tmux("send-keys", *keys)

    def paste(self, text):
        self.tmux("set-buffer", text)
        self.tmux("paste-buffer", "-p")

    def resize(self, width, height=24):
        self.tmux("resize-window", "-x", width, "-y", height)

    def rows(self):
        """What stands on the screen now, without blanks at the ends and empty rows at the bottom."""
        return [row.rstrip() for row in self.tmux("capture-pane", "-p").rstrip().split("\n")]

    def wide(self):
        """Lines that were wider than the terminal, scrolled away or not."""
        width = int(self.tmux("display-message", "-p", "#{window_width}"))
        return [line for line in self.tmux("capture-pane", "-p", "-J", "-S", "-").split("\n") if len(line.rstrip()) > width]

    def coloured(self):
        """As rows(), with the escape sequences of colours."""
        return self.tmux("capture-pane", "-p", "-e").rstrip().split("\n")

    def cursor(self):
        """Column and row, from 0."""
        return tuple(map(int, self.tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split()))

    def shows(self, *last):
        """Waits until these are the last rows; a pattern's * stands for anything. Returns all rows."""
        def look():
            self.seen = self.rows()
            end = self.seen[-len(last):]
            return len(end) == len(last) and all(fits(row, wanted) for row, wanted in zip(end, last)) and self.seen
        try:
            return until(look, "")
        except AssertionError:
            raise AssertionError("\n".join(["not at the end:", *last, "but:", *self.seen])) from None

    def over(self):
        """Whether the program has ended."""
        return subprocess.run(["tmux", "-S", self.socket, "has-session"], capture_output=True, timeout=20).returncode != 0

    def stop(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=20)


def fits(row, wanted):
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), row)

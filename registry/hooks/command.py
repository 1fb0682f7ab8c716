"""Messages to a command, on its stdin."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.hooks.hook import Message, Undelivered

TIMEOUT_S = 60
_SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, run in `folder` without a shell; exit code 0 takes the message."""

    words: Sequence[str]
    folder: Path

    def send(self, message: Message) -> None:
        """Once, for at most TIMEOUT_S; its stdout goes nowhere. Raises Undelivered with the end of its stderr."""
        try:
            done = subprocess.run(
                list(self.words),
                input=json.dumps(message.document) + "\n",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Undelivered(f"{self.words[0]!r} did not end within {TIMEOUT_S} s") from None
        except OSError as fault:
            raise Undelivered(f"{self.words[0]!r} does not run: {fault.strerror}") from None
        if done.returncode:
            said = " ".join(done.stderr.split())[-_SHOWN_CHARS:]
            raise Undelivered(
                f"{self.words[0]!r} ended with {done.returncode}" + (f": {said}" if said else "")
            )

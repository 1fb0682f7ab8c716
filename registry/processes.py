"""Which process of which machine something belongs to, and whether that process is surely gone."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

# Of process ids and of time, outside of every container: PROC_PID_INIT_INO and PROC_TIME_INIT_INO of Linux.
OUTERMOST = "4026531836.4026531834"
_PROC = Path("/proc")
_TEXT = re.compile(r"([0-9a-f]*):([0-9a-f-]+):(\d+\.\d*):([1-9]\d{0,9}):(\d{1,19})")
_ENDED = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, told from every other: an id alone means another one tomorrow, elsewhere or in a container.

    `machine`: a digest of what the machine was given when it was installed, which images copy; `boot`: since when its
    kernel runs; `namespace`: which processes' ids it counts; `started`: clock ticks after the boot.
    """

    host: str
    machine: str
    boot: str
    namespace: str
    pid: int
    started: int

    @classmethod
    def here(cls) -> Process | None:
        """This process; None where the system does not tell these things, as everywhere but on Linux."""
        found = _stat(os.getpid())
        try:
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            namespace = f"{_namespace('pid')}.{_namespace('time')}"
        except OSError:
            return None
        if found is None:
            return None
        return cls(socket.gethostname(), _machine(), boot, namespace, os.getpid(), found[1])

    @classmethod
    def read(cls, host: str, text: str) -> Process | None:
        """What `text` said; None where it is not of that form."""
        said = _TEXT.fullmatch(text)
        if said is None:
            return None
        machine, boot, namespace, pid, started = said.groups()
        return cls(host, machine, boot, namespace, int(pid), int(started))

    def text(self) -> str:
        """All but the host's name, in one word."""
        return f"{self.machine}:{self.boot}:{self.namespace}:{self.pid}:{self.started}"

    def is_gone(self, here: Process) -> bool:
        """Whether it has surely ended, as `here` can tell; what cannot be told from here counts as alive."""
        if self.host != here.host:
            return False
        if self.boot != here.boot:
            # The machine was started again; or it is another one of that name, as containers' may be.
            same = bool(self.machine) and self.machine == here.machine
            return same and self.namespace == here.namespace == OUTERMOST
        return self.namespace == here.namespace and not _lives(self.pid, self.started)


def _lives(pid: int, started: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, who may have hidden all else of it
    found = _stat(pid)
    return found is None or (found[0] not in _ENDED and found[1] == started)


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start of a process, as proc(5) numbers them; None where they are not told."""
    try:
        # The command's name, in brackets, may hold blanks and brackets of its own: read what follows it.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _namespace(kind: str) -> str:
    """The number of a namespace of this process; empty where Linux is too old to have that kind."""
    try:
        return "".join(char for char in os.readlink(_PROC / "self/ns" / kind) if char.isdigit())  # noqa: PTH115
    except FileNotFoundError:
        return ""


def _machine() -> str:
    try:
        given = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return ""
    return hashlib.sha256(given).hexdigest()[:16] if given else ""

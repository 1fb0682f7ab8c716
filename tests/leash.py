"""Run a command for as long as somebody holds the other end of stdin; then end it and all that it started.

`python leash.py COMMAND ...` exits as COMMAND does. A test process that is killed outright runs no `finally`
and no `atexit`, but the kernel closes its pipes: so the pipe, and nothing else, keeps the command alive.
The leash must lead a session of its own: PySpark's worker daemon leaves its process group, never its session.
"""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 5.0


def session_members(session_id: int) -> list[int]:
    """The ids of the live processes in the session, zombies left out. Empty where there is no /proc."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name, in brackets, may hold blanks and brackets of its own: read what follows it.
            state, _parent, _group, session = stat.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(session) == session_id and state != "Z":
            members.append(int(stat.parent.name))
    return members


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _others() -> list[int]:
    return [pid for pid in session_members(os.getsid(0)) if pid != os.getpid()]


def _end(command: "subprocess.Popen[bytes]") -> None:
    if command.poll() is None:
        command.terminate()
    _signal_all(_others(), signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and (command.poll() is None or _others()):
        time.sleep(0.02)
    if command.poll() is None:
        command.kill()
    while left := _others():
        _signal_all(left, signal.SIGKILL)
        time.sleep(0.02)


def main(argv: list[str]) -> int:
    """Run the command until it ends or stdin does, clean up, return the command's exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    command = subprocess.Popen(argv, stdin=subprocess.DEVNULL, preexec_fn=_default_signals)
    while command.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], 0.05)
        if readable:
            break
    _end(command)
    returncode = command.wait()
    return returncode if returncode >= 0 else 128 - returncode


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

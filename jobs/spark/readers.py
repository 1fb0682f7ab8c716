"""The processes that read photos in a worker's place, because one of them may not survive it; see `isolation`.

A child loads the model, which takes seconds, and forks readers, each of which is ready in a tenth of one. Before it
forks it has run nothing that starts threads: engines are opened by readers. This travels by value, as `arrivals` does.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark import TaskContext, cloudpickle

from . import hangs

# For the system to tell how a process ended.
ENDED_S = 30.0
# Spelt by pyfunc_models.Status too, which no executor has.
CRASHED, TIMEOUT, TOO_LARGE = "crashed", "timeout", "too_large"
# What a decoder does to its process, not what somebody else does.
_OWN_FAULTS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP")
# The exit code of a reader whose memory did not suffice.
_NO_MEMORY = 64
_START = """
import pickle, sys
from multiprocessing.connection import Connection
parent = Connection(int(sys.argv[1]))
sys.path[:] = parent.recv()
pickle.loads(parent.recv_bytes())(parent)
"""
_PR_SET_PDEATHSIG = 1

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Lost(Exception):
    """What was asked for has no answer: `status` and `error` are what that means where it was one photo.

    `sure`: whether it was the photo, and not somebody who ended the reader.
    """

    def __init__(self, status: str, error: str, sure: bool) -> None:
        super().__init__(error)
        self.status, self.error, self.sure = status, error, sure


class Child:
    """A process that has loaded a model and never reads a photo itself; it ends with this one, however that ends."""

    def __init__(self, folder: str, limit_s: float) -> None:
        self._limit_s = limit_s
        self._connection, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            # Nothing of the folder that it runs in is imported, and no bytecode is left in the model's.
            command = [sys.executable, "-B", "-P", "-c", _START, str(number)]
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(command, pass_fds=[number], stdin=null, stdout=null, stderr=null)
        forking = partial(
            fork_readers, folder=folder, limit_s=limit_s, task=TaskContext.get(), pid=os.getpid()
        )
        self._connection.send(sys.path)
        self._connection.send_bytes(cloudpickle.dumps(forking))  # type: ignore[no-untyped-call]

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def reader(self) -> "Reader":
        """A process of its own; the last one has ended. Raises Lost where the child has, RuntimeError as it loads."""
        ours, theirs = Pipe()
        try:
            with theirs:
                send_handle(self._connection, theirs.fileno(), self._process.pid)
                failed, pid = self._connection.recv()
        except (EOFError, OSError):
            raise _ended(self._process.wait(ENDED_S), self._limit_s) from None
        if failed:
            raise _again(failed)
        return Reader(ours, pid, self)

    def ended(self) -> Lost:
        """How the last reader did."""
        try:
            if self._connection.poll(ENDED_S):
                return _ended(self._connection.recv(), self._limit_s)
        except (EOFError, OSError):
            pass  # the child is gone with its reader, and nobody is left who saw how that ended
        self.end()
        return _ended(-signal.SIGKILL, self._limit_s)

    def end(self) -> None:
        """At once, with its reader."""
        self._process.kill()
        self._process.wait()
        self._connection.close()


class Reader:
    """A process that answers for rows until one of them ends it."""

    def __init__(self, connection: "Connection[Any, Any]", pid: int, child: Child) -> None:
        self._connection, self._pid, self._child = connection, pid, child

    def ask(self, rows: pd.DataFrame, params: Mapping[str, Any] | None, limit_s: float) -> pd.DataFrame:
        """The model's answer. Raises Lost where there is none, RuntimeError with what the model raised."""
        try:
            self._connection.send((rows, params))
            if not self._connection.poll(limit_s):
                os.kill(self._pid, signal.SIGALRM)  # as it would end itself
            kind, answer = self._connection.recv()
        except (EOFError, OSError):
            self._connection.close()
            raise self._child.ended() from None
        if kind == "error":
            raise _again(answer)
        found: pd.DataFrame = answer
        return found


def _again(said: tuple[str, str, str]) -> RuntimeError:
    """What was raised in another process, to be read as it would be there: its class may not be known here."""
    module, name, text = said
    again: RuntimeError = type(name, (RuntimeError,), {"__module__": module})(text)
    return again


def _said(error: Exception) -> tuple[str, str, str]:
    return type(error).__module__, type(error).__qualname__, str(error)


def _ended(code: int, limit_s: float) -> Lost:
    if code == -signal.SIGALRM:
        return Lost(TIMEOUT, f"the photo was not done within {limit_s:g} s (--photo-timeout)", sure=True)
    if code == _NO_MEMORY:
        return Lost(TOO_LARGE, "scoring the photo alone takes more memory than there is", sure=True)
    if code >= 0:
        return Lost(CRASHED, f"the process that read the photo alone ended with exit code {code}", sure=True)
    name = signal.Signals(-code).name
    return Lost(CRASHED, f"the process that read the photo alone ended by {name}", sure=name in _OWN_FAULTS)


# --- in the child


def fork_readers(parent: "Connection[Any, Any]", folder: str, limit_s: float, task: Any, pid: int) -> None:
    """Load the model, then fork a reader whenever the parent asks for one, and tell how it ended.

    `task` and `pid` are the parent's: its cores and its GPU are the readers', and they end with it.
    """
    _end_with(pid)
    os.set_inheritable(parent.fileno(), False)
    TaskContext._setTaskContext(task)
    failed: Any = None
    model: Any = None
    try:
        model = _loaded(folder, limit_s)
    except Exception as error:  # whatever it is, the parent's task fails with it
        failed = _said(error)
    with suppress(EOFError, OSError):
        while True:
            handle = recv_handle(parent)
            reader = 0 if failed else _forked(model, Connection(handle), parent)
            parent.send((failed, reader))
            if reader:
                parent.send(os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]))


def _forked(model: Any, connection: "Connection[Any, Any]", parent: "Connection[Any, Any]") -> int:
    child = os.getpid()
    with connection:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            _end_with(child)
            parent.close()
            with suppress(OSError):
                # Where memory runs out, the system should end this process, and not one that can tell.
                Path("/proc/self/oom_score_adj").write_text("1000")
            code = _answer(model, connection)
        finally:
            os._exit(code)


def _answer(model: Any, connection: "Connection[Any, Any]") -> int:
    """For rows until nobody asks any more; returns the process's exit code."""
    while True:
        try:
            rows, params = connection.recv()
            connection.send(("answer", model.predict(rows, params=params)))
        except EOFError:
            return 0
        except MemoryError:
            return _NO_MEMORY
        except Exception as error:
            connection.send(("error", _said(error)))


def _loaded(folder: str, limit_s: float) -> Any:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(folder, suppress_warnings=True)
    hangs.watch(model.unwrap_python_model(), limit_s)
    return model


def _end_with(pid: int) -> None:
    """Have the kernel end this process with its parent: also where it hangs, and so cannot see that itself."""
    with suppress(OSError, AttributeError):  # on other systems it sees it once it is idle
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != pid:
        os._exit(1)

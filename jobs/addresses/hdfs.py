"""A photo in HDFS, by hdfs-native: which name nodes there are, and how often one is asked, is the cluster's to say.

The worker's HADOOP_CONF_DIR has it, and the rights are those of its tokens, its Kerberos ticket or HADOOP_USER_NAME.
"""

import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from pyspark import cloudpickle

from .budget import Allowance
from .fault import FORBIDDEN, MISSING, UNREACHABLE, UNSUPPORTED, NoPhoto
from .places import HDFS, Place

# Hadoop's own for an address without one, where no name service is called so.
_PORT = 8020
# Threads that wait for HDFS: hdfs-native waits for a name node that says nothing without an end.
_WAITING = 256
_LOOK_S = 0.5
_JAVA = re.compile(r'RPCError\("(?:[\w$]+\.)*([\w$]+)"')
# How what it says begins, or has in it, where this worker may not read the file.
_CLOSED = ("AccessControlException", "InvalidToken", "SASLError", "NoSASLMechanism", "GSSAPIError")

T = TypeVar("T")

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Hdfs:
    """The file systems that rows name, each opened once. For threads."""

    def __init__(self) -> None:
        self._opened: dict[str | None, Any] = {}
        self._opening = threading.Lock()
        self._free = threading.Semaphore(_WAITING)

    def load(self, place: Place, allowance: Allowance) -> bytes:
        """A file's bytes, as many as there were when it was opened. Raises NoPhoto; RuntimeError, see `_library`."""
        library = _library()
        reader = self._answer(lambda: self._client(library, place).read(place.path), allowance)
        size = len(reader)
        allowance.take(size)
        content = self._answer(lambda: reader.read(size), allowance) if size else b""
        if len(content) != size:
            raise NoPhoto(UNREACHABLE, f"HDFS gave {len(content)} bytes of {size}")
        return content

    def _client(self, library: Any, place: Place) -> Any:
        root = f"{place.scheme}://{place.host}" if place.host or place.scheme != HDFS else None
        with self._opening:
            if root not in self._opened:
                self._opened[root] = _open(library, root)
            return self._opened[root]

    def _answer(self, ask: Callable[[], T], allowance: Allowance) -> T:
        """What HDFS says. Raises NoPhoto and Ended, after which a thread may wait on until HDFS speaks."""
        allowance.check()
        if not self._free.acquire(blocking=False):
            raise NoPhoto(UNREACHABLE, f"HDFS has not answered {_WAITING} times, and is asked no more")
        coming: Future[T] = Future()
        threading.Thread(target=self._ask, args=(ask, coming), name="ask-hdfs", daemon=True).start()
        while not wait([coming], _LOOK_S).done:
            allowance.check()
        try:
            return coming.result()
        except NoPhoto:
            raise
        except Exception as error:
            raise fault(error) from None

    def _ask(self, ask: Callable[[], T], coming: "Future[T]") -> None:
        try:
            coming.set_result(ask())
        except Exception as error:
            coming.set_exception(error)
        except BaseException as error:  # a panic of Rust is no Exception
            coming.set_exception(RuntimeError(type(error).__name__))
        finally:
            self._free.release()


def fault(error: Exception) -> NoPhoto:
    """What hdfs-native raises, as a row has it. Its own text has paths in it."""
    text = str(error)
    if isinstance(error, IsADirectoryError) or text.startswith("Path is not a file"):
        return NoPhoto(UNSUPPORTED, "the address names a folder")
    if isinstance(error, FileNotFoundError):
        return NoPhoto(MISSING, "HDFS has no such file")
    if isinstance(error, PermissionError) or any(word in text for word in _CLOSED):
        return NoPhoto(FORBIDDEN, "HDFS does not let this worker read the file")
    found = _JAVA.match(text)
    return NoPhoto(UNREACHABLE, f"HDFS gave no whole answer ({found[1] if found else type(error).__name__})")


def _library() -> Any:
    """Raises RuntimeError where the worker has no hdfs-native."""
    try:
        import hdfs_native
    except ImportError:
        raise RuntimeError(
            "Photos in HDFS take hdfs-native: pip install 'stagewright[hdfs]' on all executors, and on the driver."
        ) from None
    return hdfs_native


def _open(library: Any, root: str | None) -> Any:
    """A client of a file system, None for that of the worker's settings. Raises NoPhoto where these know none."""
    # An address without a port names a name service, or else a host with Hadoop's own port.
    has_no_port = root is not None and root.startswith(f"{HDFS}:") and ":" not in root.partition("//")[2]
    for each in (root, f"{root}:{_PORT}") if has_no_port else (root,):
        try:
            return library.Client(each)
        except Exception:
            continue
    raise NoPhoto(
        UNSUPPORTED,
        "this worker does not know the file system: the address has to name a host and a port, or what its "
        "HADOOP_CONF_DIR names",
    )

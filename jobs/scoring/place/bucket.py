"""An output below a prefix of an object store. Travels by value to executors, where obstore is: see `store`."""

import contextlib
import io
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark import cloudpickle

from ...addresses.stores import may_be_plain
from .store import PRIVATE

# How long a request is tried again: a store's own pauses are shorter.
RETRY_S = 60.0

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Bucket:
    """An object store, in which nothing can be renamed and one put is one step; by obstore.

    Credentials, region and endpoint come from the environment, as obstore has them: AWS_ACCESS_KEY_ID, …
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/").replace("s3a://", "s3://", 1)
        self._opened: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_opened": None}

    def names(self, folder: str = "") -> list[str]:
        found = self._store().list_with_delimiter(folder or None)
        return [str(entry["path"]).rpartition("/")[2] for entry in found["objects"]]

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._store().get(name).bytes())
        except FileNotFoundError:
            return None

    def put(self, name: str, content: bytes) -> None:
        self._store().put(name, content)

    def put_new(self, name: str, content: Path) -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            self._store().put(name, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._store().delete(name)

    def is_free(self) -> bool:
        found = self._store().list_with_delimiter()
        return not found["objects"] and not {str(each).strip("/") for each in found["common_prefixes"]} - {
            PRIVATE
        }

    def open(self, name: str) -> Any:
        return _Object(self._store(), name)

    def size(self, name: str) -> int:
        return int(self._store().head(name)["size"])

    def age_s(self, name: str) -> float:
        """How long ago something was put under a name, by the store's own clock."""
        clock = f"{PRIVATE}/clock-{uuid.uuid4().hex}"
        self.put(clock, b"")
        try:
            now, then = (self._store().head(each)["last_modified"] for each in (clock, name))
        finally:
            self.remove(clock)
        return float((now - then).total_seconds())

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[Path]:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="stagewright-chunk-") as folder:
            yield Path(folder, "chunk")

    def clear_unfinished(self) -> None:
        """Nothing: what is not finished lies with whoever writes it."""

    def _store(self) -> Any:
        if self._opened is None:
            from obstore.store import from_url

            self._opened = from_url(
                self.root,
                # Which take the place of what the environment says of the client, but not of anything else.
                client_options={"timeout": "60s", "connect_timeout": "5s", "allow_http": may_be_plain()},
                retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=RETRY_S)},
            )
        return self._opened


class _Object(io.RawIOBase):
    """An object, read by ranges: of a Parquet file mostly the end is wanted."""

    def __init__(self, store: Any, name: str) -> None:
        self._store = store
        self._name = name
        self._size = int(store.head(name)["size"])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        if wanted:
            buffer[:wanted] = bytes(self._store.get_range(self._name, start=self._at, length=wanted))
        self._at += wanted
        return wanted

"""What is done to the place that an output lies in, whichever it is.

What is put becomes visible at once and whole, or not at all. A new name is given once only: whoever comes second is
told so, and what the first one put stays.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any, Protocol

from pyspark import cloudpickle

# Below the output; readers pass by names that begin with an underscore, and nothing in it ends with .parquet.
PRIVATE = "_stagewright"

# Stores go to executors, where nothing of stagewright is installed.
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


class Store(Protocol):
    """Names below one root; `/` parts them."""

    root: str

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in a folder itself, in no order; none where there is no such folder."""

    def read(self, name: str) -> bytes | None:
        """What was put under a name; None where nothing was."""

    def put(self, name: str, content: bytes) -> None:
        """Whole, in place of what was there."""

    def put_new(self, name: str, content: Path) -> bool:
        """A file's content under a name that has none; False, and nothing done, where it has one."""

    def remove(self, name: str) -> None:
        """Nothing is under the name any more."""

    def is_free(self) -> bool:
        """Whether there is nothing at the root, or nothing but what is kept in PRIVATE."""

    def open(self, name: str) -> Any:
        """What was put under a name, as a file to be read here and there."""

    def size(self, name: str) -> int:
        """Of what was put under a name, in bytes."""

    def age_s(self, name: str) -> float:
        """How long ago something was put under a name, by the store's own clock."""

    def unfinished(self) -> contextlib.AbstractContextManager[Path]:
        """A new local file to be filled for `put_new`; gone afterwards."""

    def clear_unfinished(self) -> None:
        """Remove what killed writers left."""

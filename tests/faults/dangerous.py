"""A model whose own transform does what a decoder may do: crash the process that it runs in, or never come back.

It does so once for each time that it is told to, by a file in a folder; and it counts the photos that it has seen.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle

from mlruns_fixture import LABELS, PREPROCESS, ColourNet

NAME = "dangerous"
_CALLS = "calls"
_PACE_S = 0.02

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Dangerous:
    """A transform that changes nothing."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, image: Any) -> Any:
        place = os.open(os.path.join(self.folder, _CALLS), os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # noqa: PTH118
        os.write(place, b".")
        os.close(place)
        time.sleep(_PACE_S)
        if self._told("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._told("hang"):
            time.sleep(3600)
        return image

    def _told(self, what: str) -> bool:
        try:
            os.unlink(os.path.join(self.folder, what))  # noqa: PTH108, PTH118
        except OSError:
            return False
        return True


class Danger:
    """The other end: a registered model of this kind, by its URI."""

    def __init__(self, folder: Path, registry_uri: str) -> None:
        from pyfunc_models.packaging import PackageOptions, package
        from pyfunc_models.worker.image_model import OwnCode
        from registry import Registry

        folder.mkdir(parents=True)
        self._folder = folder
        options = PackageOptions(own_code=OwnCode(transform=Dangerous(str(folder))))
        packaged = package(ColourNet(), PREPROCESS, LABELS, into=folder / "packaged", options=options)
        self.uri = Registry(registry_uri).register(packaged, NAME).version.pinned_uri

    def tell(self, what: str) -> None:
        """The next photo, whichever that is: `crash` or `hang`."""
        (self._folder / what).touch()

    def is_done(self, what: str) -> bool:
        return not (self._folder / what).exists()

    def take_back(self, what: str) -> bool:
        """Whether nobody did it."""
        try:
            (self._folder / what).unlink()
        except FileNotFoundError:
            return False
        return True

    def calls(self) -> int:
        """How many photos it has seen, all commands together."""
        calls = self._folder / _CALLS
        return calls.stat().st_size if calls.exists() else 0

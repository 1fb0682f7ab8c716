"""Models as people download them: a folder that a library saved, read as it does and compared with it."""

from pathlib import Path

from ..errors import InputError
from . import comparing, huggingface, timm_folder
from .pretrained import Pretrained
from .saved import Saved

# One more library is one more file, and its line here.
READERS = (timm_folder.READER, huggingface.READER)

__all__ = ["Pretrained", "read"]


def read(folder: Path) -> Pretrained:
    """What is in the folder; nothing is fetched, and no code of the folder's runs.

    Raises InputError, with the field or file, on what is not understood whole, and where photos prepared here differ
    from the library's.
    """
    saved = Saved.open(folder)
    for reader in READERS:
        if reader.takes(saved):
            found = reader.read(saved)
            comparing.hold(found)
            return found
    names = " or ".join(reader.library for reader in READERS)
    raise InputError(
        f"{str(saved.config_file)!r} is not of an image classifier as {names} saves one: it names no `architectures` "
        "that end in ForImageClassification, and no `architecture` with a `pretrained_cfg`."
    )

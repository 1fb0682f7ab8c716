"""What a caller of `score` may choose."""

from dataclasses import dataclass
from typing import Any

from registry import Use

from ..addresses.budget import Limits
from ..addresses.fetching import MAX_BYTES, Fetching
from ..addresses.places import Roots
from ..spark.arrivals import PHOTO_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """`content_column` holds the photos' bytes, `keep` goes along into the result.

    None leaves a param to the model's own default. `transform` is no choice any more: photos are resized exactly,
    whatever it says. `label_as="index"` has a classifier answer with the positions of its classes, which are exact
    where two have one name. `content_as="path"` says that the column holds paths of files, in UTF-8, which every
    worker reads itself. `max_pixels`: photos of more are `too_large`. `run_id` is stamped on every row; by default a
    new one. `use` is what policies ask for: one that names a stage for jobs leaves evaluations alone.
    `photo_timeout_s`: a photo that takes longer to be read is `timeout`, and one that takes longer to be fetched
    `unreachable`. `path_column` holds addresses or paths, which workers fetch, in place of `content_column`; a
    `content_column` of type struct<bytes, path> has its `path` followed where `bytes` is null. Only what lies below one
    of `path_roots` is fetched (see `addresses.places.Roots`), and `max_bytes` a photo at most. `all_labels`: a
    multilabel gives each label, whatever its score. `allow_foreign`: the version may be one that stagewright did not
    package, which takes the columns of its signature.
    """

    content_column: str = "content"
    keep: tuple[str, ...] = ("path",)
    precision: str | None = None
    batch_size: int | None = None
    top_k: int | None = None
    decode_threads: int | None = None
    transform: str | None = None
    decode: str | None = None
    label_as: str | None = None
    content_as: str | None = None
    run_id: str | None = None
    use: Use = Use.SCORING
    max_pixels: int | None = None
    photo_timeout_s: float = PHOTO_TIMEOUT_S
    path_column: str | None = None
    path_roots: tuple[str, ...] = ()
    max_bytes: int | None = None
    all_labels: bool | None = None
    allow_foreign: bool = False

    @property
    def fetching(self) -> Fetching:
        """How addresses are followed, where there are any."""
        return Fetching(Roots(self.path_roots), Limits(self.max_bytes or MAX_BYTES, self.photo_timeout_s))

    @property
    def params(self) -> dict[str, Any]:
        """What the model is called with."""
        given = {
            "precision": self.precision,
            "batch_size": self.batch_size,
            "top_k": self.top_k,
            "decode_threads": self.decode_threads,
            "decode": self.decode,
            "label_as": self.label_as,
            "content_as": self.content_as,
            "max_pixels": self.max_pixels,
            "all_labels": self.all_labels,
        }
        return {name: value for name, value in given.items() if value is not None}

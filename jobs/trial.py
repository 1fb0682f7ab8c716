"""One version tried out where a job would run it: a worker loads it and answers its golden photos."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from registry import Registry

from .doctor import Finding
from .errors import JobFailed
from .scoring import udf
from .scoring.options import ScoreOptions
from .scoring.udf import Subject
from .spark.faults import explained

_FULL, _REFERENCE = "full", "f32"
_GOLDEN = Path("artifacts", "model", "self-test.json")
# What a machine lacks, where a version was made for others too, as the wrapper calls it.
_LACKS = "EngineUnavailable: "
_DIFFERS = "SelfTestError: "


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found; `good` where a job that chooses nothing would run."""

    findings: Sequence[Finding]

    @property
    def good(self) -> bool:
        """Whether every finding is."""
        return all(finding.good for finding in self.findings)

    def document(self) -> list[dict[str, Any]]:
        """For `--json`."""
        return [finding.document() for finding in self.findings]

    def lines(self) -> list[str]:
        """For a person."""
        return [finding.line() for finding in self.findings]


def check(registry: Registry, uri: str) -> Subject:
    """The version, which no policy refuses, fetched and verified. Raises registry.RegistryError."""
    return udf.checked(registry, registry.resolve(uri), ScoreOptions())


def run(
    spark: SparkSession, registry: Registry, uri: str, say: Callable[[str], None], subject: Subject
) -> Trial:
    """Have one worker answer the golden photos with each precision and decoding that the version offers."""
    version = subject.version
    photos = _golden(spark, subject.model)
    size = sum(file.stat().st_size for file in subject.model.rglob("*") if file.is_file())
    findings = [
        Finding("version", True, f"{uri} is {version.pinned_uri}, and no policy refuses it"),
        Finding(
            "files",
            True,
            f"{size / 1e6:,.0f} MB, as its manifest has them; model digest {version.model_digest}",
        ),
    ]
    for precision, decode in _ways(subject):
        say(f"{version.pinned_uri} answers at {precision}{_decoded(decode)}")
        findings.append(_answered(photos, subject, precision, decode))
    return Trial(findings)


def _ways(subject: Subject) -> Iterator[tuple[str, str]]:
    """Each precision, and the first one again with each other decoding."""
    precisions = subject.version.precisions or (_REFERENCE,)
    yield from ((precision, _FULL) for precision in precisions)
    yield from ((precisions[0], decode) for decode in subject.version.decodes if decode != _FULL)


def _decoded(decode: str) -> str:
    return "" if decode == _FULL else f", decoded {decode}"


def _golden(spark: SparkSession, model: Path) -> DataFrame:
    """The photos that the version carries; none, where it was registered before versions did."""
    file = model / _GOLDEN
    carried = json.loads(file.read_text())["photos"] if file.exists() else []
    contents = [bytearray(base64.b64decode(photo["content"])) for photo in carried]
    rows = [(str(i), content) for i, content in enumerate(contents or [None])]
    return spark.createDataFrame(rows, "path string, content binary").coalesce(1)


def _answered(photos: DataFrame, subject: Subject, precision: str, decode: str) -> Finding:
    options = ScoreOptions(precision=precision, decode=None if decode == _FULL else decode)
    what = f"{precision}{_decoded(decode)}"
    try:
        with explained(""):
            rows = udf.predictions(photos, subject, options).select("status").collect()
    except JobFailed as error:
        return _failed(what, str(error).removeprefix("The Spark job failed: ").strip(), precision)
    good = sum(row["status"] == "ok" for row in rows)
    if not good:
        return Finding(
            what, True, "a worker loads it; it carries no golden photos, for it was registered before"
        )
    return Finding(
        what, True, f"a worker loads it and answers its {good} golden photos as it did when registered"
    )


def _failed(what: str, said: str, precision: str) -> Finding:
    if said.startswith(_LACKS) and precision != _REFERENCE:
        return Finding(what, True, f"not on this machine: {said.removeprefix(_LACKS)}")
    return Finding(what, False, said.removeprefix(_DIFFERS).removeprefix(_LACKS))

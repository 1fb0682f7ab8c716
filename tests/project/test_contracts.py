"""What other people's scripts rely on is as it was recorded: there may be more of it, but nothing less or else.

`contracts.json` was recorded at d35a8d7, before the packages got rooms. Whoever changes a contract on purpose names it
in EXCEPTIONS with the reason; `python -m tests.project.contracts tests/project/contracts.json` records what is new.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.project import contracts

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("contracts.json").read_text())
OF_CODE = ("names", "commands", "exit_codes_of_errors", "statuses", "preprocess", "files")
OF_COMMANDS = ("documents", "columns", "models", "gates", "tags_and_metrics", "exit_codes")

# What may differ, `*` standing for anything, and why. What merely grows, as `doctor --json` does by its subjects, needs
# no line here.
EXCEPTIONS = {
    "commands/*/options/--transform/*": "It has no effect and is hidden: photos are always resized exactly. "
    "Scripts that still give it, once or repeatedly, go on.",
    "names/registry/Policy/attributes/read/*": "It takes a table that only this package makes.",
    "exit_codes/Production left for Staging": "It left Production empty without a word; now it takes --force.",
    "exit_codes/output format unknown": "Spark gave up on it, as on a job; it is wrong input.",
}


@dataclass(frozen=True)
class Difference:
    """A place in the document, its keys with `/` between them, and what is wrong there."""

    place: str
    what: str

    @property
    def excused(self) -> bool:
        return any(fnmatchcase(self.place, pattern) for pattern in EXCEPTIONS)


def differences(recorded: Any, present: Any, place: str) -> Iterator[Difference]:
    """What is gone or changed, or new and required; callers may leave out what they had to give before."""
    if isinstance(recorded, dict) and isinstance(present, dict):
        yield from _of_dicts(recorded, present, place)
    elif isinstance(recorded, list) and isinstance(present, list):
        if not _takes_the_same(recorded, present):
            yield Difference(place, f"{recorded} became {present}")
    elif recorded != present and (recorded, present) != ("required", "optional"):
        yield Difference(place, f"{recorded!r} became {present!r}")


def _of_dicts(recorded: dict[str, Any], present: dict[str, Any], place: str) -> Iterator[Difference]:
    for key, value in recorded.items():
        if key in present:
            yield from differences(value, present[key], f"{place}/{key}")
        else:
            yield Difference(f"{place}/{key}", "is gone")
    for key in present.keys() - recorded.keys():
        added = present[key]
        if "required" in (added, added.get("given") if isinstance(added, dict) else None):
            yield Difference(f"{place}/{key}", "is new and required")


def _takes_the_same(recorded: list[Any], present: list[Any]) -> bool:
    """Whether all is there in the same order, and what came after it may be left out, which a `=` says."""
    kept, added = present[: len(recorded)], present[len(recorded) :]
    return (
        len(kept) == len(recorded)
        and all(map(_as_before, recorded, kept))
        and all("=" in str(item) for item in added)
    )


def _as_before(recorded: Any, present: Any) -> bool:
    """Equal, or it may be left out now."""
    return present == recorded or ("=" not in str(recorded) and str(present).partition("=")[0] == recorded)


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    return contracts.of_code()


@pytest.fixture(scope="module")
def toured(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return contracts.Tour(spark, tmp_path_factory.mktemp("contracts")).take()


def unexcused(recorded: Any, present: Any, section: str) -> list[Difference]:
    return [found for found in differences(recorded, present, section) if not found.excused]


@pytest.mark.parametrize("section", OF_CODE)
def test_what_the_code_offers_is_as_it_was(section: str, code: dict[str, Any]) -> None:
    assert unexcused(RECORDED[section], code[section], section) == []


@pytest.mark.parametrize("section", OF_COMMANDS)
def test_what_the_commands_do_is_as_it_was(section: str, toured: dict[str, Any]) -> None:
    assert unexcused(RECORDED[section], toured[section], section) == []


def test_every_section_is_compared() -> None:
    assert set(RECORDED) == {*OF_CODE, *OF_COMMANDS}


@pytest.mark.parametrize("pattern", EXCEPTIONS)
def test_every_exception_is_needed(pattern: str, code: dict[str, Any], toured: dict[str, Any]) -> None:
    present = {**code, **toured}
    found = [one for section in RECORDED for one in differences(RECORDED[section], present[section], section)]
    assert any(fnmatchcase(one.place, pattern) for one in found)


# --- the comparison itself

FUNCTION = {"positional": ["images", "top_k="], "keyword": {"into": "required"}}
OPTION = {"takes": "1 value(s)", "given": "optional"}
OLD = {"functions": {"score": FUNCTION}, "options": {"--keep": OPTION}, "codes": {"gate refused": 1}}


def changed(**sections: object) -> dict[str, object]:
    return {**OLD, **sections}


@pytest.mark.parametrize(
    "present",
    [
        OLD,
        changed(more={}),
        changed(codes={"gate refused": 1, "interrupted": 130}),
        changed(functions={"score": {**FUNCTION, "positional": ["images", "top_k=", "keep="]}}),
        changed(functions={"score": {**FUNCTION, "keyword": {"into": "required", "run_id": "optional"}}}),
        changed(functions={"score": {"positional": ["images=", "top_k="], "keyword": {"into": "optional"}}}),
        changed(options={"--keep": OPTION, "--plan": OPTION}),
    ],
)
def test_more_of_what_need_not_be_given_is_no_difference(present: dict[str, object]) -> None:
    assert list(differences(OLD, present, "")) == []


@pytest.mark.parametrize(
    ("present", "place"),
    [
        ({}, "/functions"),
        (changed(codes={}), "/codes/gate refused"),
        (changed(codes={"gate refused": 2}), "/codes/gate refused"),
        (changed(codes={"gate refused": None}), "/codes/gate refused"),
        (changed(options={"--keep": {**OPTION, "given": "required"}}), "/options/--keep/given"),
        (changed(options={"--keep": OPTION, "--plan": {**OPTION, "given": "required"}}), "/options/--plan"),
        (changed(options={"--keep": "gone"}), "/options/--keep"),
    ],
)
def test_what_is_gone_or_changed_or_newly_required_is_found(present: dict[str, object], place: str) -> None:
    assert place in [found.place for found in differences(OLD, present, "")]


@pytest.mark.parametrize(
    ("present", "part"),
    [
        ({**FUNCTION, "positional": ["images"]}, "positional"),
        ({**FUNCTION, "positional": ["top_k=", "images"]}, "positional"),
        ({**FUNCTION, "positional": ["images", "top_k"]}, "positional"),
        ({**FUNCTION, "positional": ["images", "top_k=5"]}, "positional"),
        ({**FUNCTION, "positional": ["images", "top_k=", "uri"]}, "positional"),
        ({**FUNCTION, "keyword": {}}, "keyword/into"),
        ({**FUNCTION, "keyword": {"into": "required", "spec": "required"}}, "keyword/spec"),
    ],
)
def test_a_function_that_cannot_be_called_as_before_is_found(present: dict[str, object], part: str) -> None:
    [found] = differences(OLD, changed(functions={"score": present}), "")
    assert found.place == f"/functions/score/{part}"


def test_the_shape_of_json_tells_what_all_items_of_an_array_have_in_common() -> None:
    rows = [{"label": "red", "score": 0.5}, {"label": None, "tags": {"a": "b"}, "more": [1]}]
    assert contracts.shape(rows) == {
        "type": "array",
        "items": {
            "type": "object",
            "keys": {
                "label": "null|string",
                "score": "number",
                "tags": {"type": "object"},
                "more": {"type": "array", "items": "integer"},
            },
        },
    }

"""`models:/` references, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import Alias, InvalidName, InvalidUri, Latest, ModelUri, Number, Stage

SELECTORS = st.one_of(
    st.integers(min_value=0, max_value=10**9).map(Number),
    st.sampled_from(Stage),
    st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True).map(Alias),
    st.just(Latest()),
)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,30}[A-Za-z0-9_]", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "name", "selector"),
    [
        ("models:/flowers/3", "flowers", Number(3)),
        ("models:/flowers/Production", "flowers", Stage.PRODUCTION),
        ("models:/flowers/pRODUCTION", "flowers", Stage.PRODUCTION),
        ("models:/flowers/staging", "flowers", Stage.STAGING),
        ("models:/flowers/none", "flowers", Stage.NONE),
        ("models:/flowers/Latest", "flowers", Latest()),
        ("models:/flowers@champion", "flowers", Alias("champion")),
        ("models:/main.vision.flowers/12", "main.vision.flowers", Number(12)),
        ("models:/main.vision.flowers@v-1_a", "main.vision.flowers", Alias("v-1_a")),
        ("models:/m-flowers/1", "m-flowers", Number(1)),
    ],
)
def test_a_reference_is_read_as_mlflow_reads_it(text: str, name: str, selector: object) -> None:
    assert ModelUri.parse(text) == ModelUri(name, selector)  # type: ignore[arg-type]


@given(name=NAMES, selector=SELECTORS)
def test_what_is_written_is_read_back_the_same(name: str, selector: Number | Stage | Alias | Latest) -> None:
    uri = ModelUri(name, selector)
    assert ModelUri.parse(str(uri)) == uri


def test_a_stage_is_written_in_its_own_case() -> None:
    assert str(ModelUri.parse("models:/flowers/production")) == "models:/flowers/Production"


def test_a_logged_models_id_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(InvalidUri, match=r"logged model.*stagewright register.*models:/NAME/VERSION"):
        ModelUri.parse("models:/m-0123456789abcdef0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs:/abc/model", "not a models:/ URI"),
        ("flowers", "not a models:/ URI"),
        ("", "not a models:/ URI"),
        ("models:/", "names no model"),
        ("models:flowers/1", "names no model"),
        ("models:/flowers", "does not say which version"),
        ("models:/flowers/1/MLmodel", "goes on after"),
        ("models:/flowers/Prod", "neither a version number"),
        ("models:/flowers/", "neither a version number"),
        ("models:/flowers/-1", "neither a version number"),
        ("models:/flowers/²", "neither a version number"),
        ("models:/flowers@", "cannot be an alias"),
        ("models:/flowers@a b", "cannot be an alias"),
        ("models://profile@databricks/flowers/1", "MLFLOW_REGISTRY_URI"),
    ],
)
def test_anything_else_is_refused_with_a_hint(text: str, said: str) -> None:
    with pytest.raises(InvalidUri, match=said) as caught:
        ModelUri.parse(text)
    assert "models:/" in caught.value.hint


@pytest.mark.parametrize("text", ["models:/a?b/1", "models:/a@b/1", "models:/ /1", "models://1"])
def test_a_name_that_mlflow_cannot_load_by_is_refused(text: str) -> None:
    with pytest.raises((InvalidName, InvalidUri)):
        ModelUri.parse(text)

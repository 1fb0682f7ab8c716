"""Benchmarks make registries of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import preparation
from registry import Registry
from tests.conftest import copy_registry


@pytest.fixture(scope="module")
def migrated(registry_template: Path) -> Iterator[None]:
    """Their databases need not be migrated each time."""

    def made(uri: str) -> Registry:
        folder = Path(uri.removeprefix("sqlite:///")).parent
        return Registry(copy_registry(registry_template, folder, (folder / "mlruns" / "0").as_uri()))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(preparation, "Registry", made)
        yield

"""One shop for all tests of pages."""

from pathlib import Path

import pytest

from tests.reports.shop import Shop, build


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, registry_template: Path) -> Shop:
    """Not to be changed."""
    return build(tmp_path_factory.mktemp("shop"), registry_template)

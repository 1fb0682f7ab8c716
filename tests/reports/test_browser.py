"""The page in a real Chromium: light, dark, narrow, by keyboard, without a network, and by axe's rules.

Needs Debian's `chromium`; `make test-pages` runs these alone and draws the pictures in docs/ anew.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from jobs import reports
from jobs.scoring.place.stores import Folder
from registry import Registry
from tests.reports.made_up import LABELS, Row, output, photos
from tests.reports.shop import Shop

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=document.title=1>\"'\u202egpj.jpg"
PICTURES = os.environ.get("STAGEWRIGHT_PICTURES")
WIDTHS = {"wide": 1100, "narrow": 390}
PICTURED = {
    ("report", "light", "wide"),
    ("report", "dark", "narrow"),
    ("evaluation", "light", "wide"),
    ("comparison", "light", "wide"),
}
HEIGHTS = {"wide": 1700, "narrow": 900}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    files = photos(folder / "in", [HOSTILE, *(f"photo-{i:03}.jpg" for i in range(60))])
    rows = [
        Row(f"file:{file}", LABELS[i * i % 5], 0.35 + (i * 37 % 65) / 100) for i, file in enumerate(files)
    ]
    bad = Row("file:/in/cut.jpg", status="truncated", error="JPEG is cut off after 812 bytes")
    folder = output(folder / "scored", folder / "in", [rows[:20], rows[20:45], [*rows[45:], bad]])
    made = reports.report(Registry(f"file://{folder}/no-registry"), str(folder))
    assert Folder(made.output).read("_stagewright/report.html")
    return Path(made.at)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found, "there is no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Browser, file: Path, scheme: str, width: str, *, with_axe: bool = False) -> Page:
    """`with_axe`: axe is a script, which the page's own policy would forbid."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": WIDTHS[width], "height": 900},
        bypass_csp=with_axe,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "evaluation", "comparison"])
def test_a_page_is_accessible_and_fits(
    browser: Browser, shop: Shop, name: str, scheme: str, width: str
) -> None:
    page = opened(browser, shop.pages[name], scheme, width, with_axe=True)
    if PICTURES and (name, scheme, width) in PICTURED:
        clip = {"x": 0, "y": 0, "width": WIDTHS[width], "height": HEIGHTS[width]}
        page.screenshot(path=Path(PICTURES, f"{name}-{scheme}-{width}.png"), full_page=True, clip=clip)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.locator("img").count() >= 6
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(17, 22, 28)" if scheme == "dark" else "rgb(255, 255, 255)")
    page.context.close()


def test_a_page_asks_for_nothing_and_runs_nothing(browser: Browser, page_file: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(page_file.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert said == []
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    context.close()


def test_a_hostile_name_is_shown_as_text(browser: Browser, page_file: Path) -> None:
    page = opened(browser, page_file, "light", "wide")
    assert page.title().startswith("flowers version 3")
    text = page.inner_text("body")
    alternatives = page.evaluate("[...document.images].map(image => image.alt).join()")
    assert "<img src=x onerror=document.title=1>" in text + alternatives
    assert "\\u202e" in text + alternatives
    assert page.locator("img[onerror]").count() == 0
    page.context.close()


def test_a_page_is_used_by_keyboard(browser: Browser, page_file: Path) -> None:
    page = opened(browser, page_file, "light", "wide")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hash") == "#sample"
    page.focus("summary")
    before = page.evaluate("document.activeElement.parentElement.open")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open") is not before
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.context.close()

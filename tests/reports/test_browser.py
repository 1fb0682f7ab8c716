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
from tests.reports import hostile
from tests.reports.made_up import LABELS, Row, output, photos
from tests.reports.shop import Shop

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=document.title=1>\"'\u202egpj.jpg"  # as a file system takes it
# Where the focus is on the whole page, how it shows, and whether what it leads to is there.
FOCUSED = """(() => {
  const element = document.activeElement, box = element.getBoundingClientRect();
  return {
    top: Math.round(box.top + scrollY), left: Math.round(box.left + scrollX),
    outline: getComputedStyle(element).outlineStyle,
    there: !element.hash || !!document.querySelector(element.hash),
  };
})()"""
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


@pytest.mark.parametrize("kind", hostile.PAGES)
def test_what_others_named_is_text_and_breaks_no_page(browser: Browser, tmp_path: Path, kind: str) -> None:
    """A page's own policy would keep scripts from running: here it is off, so that nothing but escaping holds."""
    file = tmp_path / "page.html"
    file.write_text(hostile.PAGES[kind](tmp_path))
    page = opened(browser, file, "light", "narrow", with_axe=True)
    assert page.title() == hostile.NAMES[0]
    assert page.locator("script, iframe, object, link, base, form, [onerror], [onmouseover]").count() == 0
    assert page.locator("style").count() == 1
    text = page.inner_text("body")
    for name in hostile.NAMES[:3]:
        assert name in text
    assert "photo\\u202egnp.exe \\u2066\\u200b\\xad\\ufeff" in text
    assert "two\\nlines\\r\\n\\t\\x00\\x1b[31m\\u2028" in text
    assert "49" not in page.inner_text("h1")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["narrow"]
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()


@pytest.mark.parametrize("name", ["report", "evaluation", "comparison"])
def test_every_page_is_used_by_keyboard_from_top_to_bottom(browser: Browser, shop: Shop, name: str) -> None:
    page = opened(browser, shop.pages[name], "dark", "wide")
    stops = page.locator("a[href], summary, [tabindex]").count()
    seen: list[tuple[float, float]] = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        assert stop["outline"] == "solid"
        assert stop["there"], "a link to nowhere"
        seen.append((stop["top"], stop["left"]))
    assert len(set(seen)) == stops
    assert seen == sorted(seen)
    page.context.close()


def test_a_summary_opens_by_keyboard(browser: Browser, page_file: Path) -> None:
    page = opened(browser, page_file, "light", "wide")
    page.focus("summary")
    before = page.evaluate("document.activeElement.parentElement.open")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open") is not before
    page.context.close()


@pytest.mark.parametrize("name", ["report", "evaluation", "comparison"])
def test_a_page_is_printed_dark_on_white_and_whole(browser: Browser, shop: Shop, name: str) -> None:
    page = opened(browser, shop.pages[name], "dark", "wide")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 32, 38)"
    assert not page.locator("nav").is_visible()
    bars = page.evaluate(
        "[...document.querySelectorAll('.bar')].map(b => getComputedStyle(b).printColorAdjust)"
    )
    assert set(bars) <= {"exact"}
    cut = "[...document.querySelectorAll('.sheet li, .chart')].filter(e => getComputedStyle(e).breakInside != 'avoid')"
    assert page.evaluate(f"{cut}.length") == 0
    hidden = "[...document.querySelectorAll('details > :not(summary)')].filter(e => !e.checkVisibility())"
    assert page.evaluate(f"{hidden}.length") == 0
    page.context.close()

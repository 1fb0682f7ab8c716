"""The site can be made, loads nothing from elsewhere, and names no command or option that there is not."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from jobs.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as `make docs` makes it; not --quiet, which would have --strict count no warning."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_has_every_command_and_class_and_loads_nothing_from_elsewhere(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text()
    assert all(f'id="stagewright-{name}"' in commands or f">{name}<" in commands for name in cli.commands)
    assert "Sentinel" not in commands
    assert "open_session" in (site / "reference" / "jobs.html").read_text()
    for page in site.rglob("*.html"):
        assert not re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="?https?:', page.read_text()
        )


def test_every_page_is_in_the_search_and_in_the_navigation(site: Path) -> None:
    found = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    pages = {each["location"].partition("#")[0] for each in found}
    written = {str(page.relative_to(ROOT / "docs")) for page in PAGES}
    written |= {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.ipynb")}
    made = {re.sub(r"\.(?:md|ipynb)$", ".html", page).replace("README.", "index.") for page in written}
    assert pages == made
    navigation = (site / "index.html").read_text().partition("</nav>")[2]
    assert [page for page in made if f'href="{page}"' not in navigation] == []


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.browser
def test_the_search_finds_what_is_written_without_a_server_or_a_network(site: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((site / "reference" / "jobs.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("quarantine")
    page.wait_for_selector(".md-search-result__item")
    links = page.locator(".md-search-result__link").evaluate_all("links => links.map(link => link.href)")
    assert any("/outputs.html#" in link for link in links)
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert said == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everybody_and_fit_a_phone(
    site: Path, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    """By all of axe's rules, on the theme around the pages too."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 900})
    for name in ("ledger", "notebooks/scientist", "benchmarks/index", "reference/jobs"):
        page.goto((site / f"{name}.html").as_uri())
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_of_a_console_what_was_typed_is_copied_and_of_other_code_all(site: Path, browser: Browser) -> None:
    page = browser.new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto((site / "ledger.html").as_uri())
    page.locator(".language-console button").first.click()
    page.get_by_text("Copied to clipboard").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "stagewright history flowers"
    page.goto((site / "evaluation.html").as_uri())
    shown = (page.locator(".language-bash code").first.text_content() or "").strip()
    page.locator(".language-bash button").first.click()
    page.get_by_text("Copied to clipboard").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_no_command_or_option_that_there_is_not(page: Path) -> None:
    for block in re.findall(r"^```.*?\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        lines = re.sub(r"\\\n", " ", block).splitlines()
        for name, rest in re.findall(
            r"^(?:\$ )?stagewright ([a-z]+)\b(.*)$", "\n".join(lines), flags=re.MULTILINE
        ):
            assert name in cli.commands
            known = {option for parameter in cli.commands[name].params for option in parameter.opts}
            named = set(re.findall(r"(?<= )--[a-z-]+", rest.partition(" #")[0]))
            assert named <= known, (page.name, name)

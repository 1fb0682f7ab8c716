"""The site can be made, loads nothing from elsewhere, and names no command or option that there is not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def test_the_site_is_made_with_every_link_right_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    commands = (tmp_path / "reference" / "commands.html").read_text()
    assert all(f'id="stagewright-{name}"' in commands or f">{name}<" in commands for name in cli.commands)
    assert "Sentinel" not in commands
    assert "open_session" in (tmp_path / "reference" / "jobs.html").read_text()
    for page in tmp_path.rglob("*.html"):
        assert not re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="https?:', page.read_text()
        )


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

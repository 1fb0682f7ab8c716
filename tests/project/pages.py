"""What pages show: their blocks, what runs of them, and whether what they say comes out."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.cli import main

ROOT = Path(__file__).parents[2]
# `bash`, `python`: run. `console`: run, and what comes out is compared. `toml`: a file, called by its title. `text`: no
# command.
LANGUAGES = {"bash", "console", "json", "python", "text", "toml"}
_BLOCK = re.compile(
    r'^(?:\*Not run by the tests: (?P<reason>[^\n]+)\*\n\n)?```(?P<language>\w*)(?: title="(?P<title>[^"\n]+)")?\n'
    r"(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# What differs each time: moments, ids, digests and fingerprints.
_MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"
_DIGEST = r"\b[0-9a-f]{12}\b"
# Options that Spark reads: its JVM is in another folder, where one session serves all pages.
_PATHS = re.compile(r"(--(?:input|output|images) '?)(?![/\w]+:|[/'])")


@dataclass(frozen=True)
class Block:
    """`reason`: why it is not run, as the page says it to its readers."""

    page: str
    language: str
    title: str | None
    code: str
    reason: str | None

    @property
    def lines(self) -> list[str]:
        """Those that go on behind a backslash in one; no empty ones, and no comments alone."""
        whole = re.sub(r"\\\n\s*", "", self.code).splitlines()
        return [line for line in whole if line.strip() and not line.lstrip().startswith("#")]


def pages() -> list[str]:
    """All that is written for readers, from the root."""
    found = [path for path in (ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in [*found, *ROOT.glob("*.md")])


def blocks(page: str) -> list[Block]:
    """In their order."""
    text = (ROOT / page).read_text()
    found = [
        Block(page, match["language"], match["title"], match["code"], match["reason"])
        for match in _BLOCK.finditer(text)
    ]
    assert len(found) * 2 == len(re.findall(r"^\s*```", text, re.MULTILINE)), f"{page}: an odd block"
    return found


def run(block: Block, folder: Path, instead: Mapping[str, str]) -> None:
    """Run a block in `folder`, the current one; `instead`: what stands for a name that only readers have."""
    code = "\n".join(block.lines) + "\n"
    for name, here in instead.items():
        code = code.replace(name, here)
    code = _PATHS.sub(rf"\1{folder}/", code)
    if block.language == "console":
        _compare(code, folder)
    elif block.language == "bash":
        for line in code.splitlines():
            returned, said = _run_line(line, folder)
            assert returned == 0, f"{block.page}: {line}\n{said}"
    elif block.language == "python":
        exec(compile(code, block.page, "exec"), {"__name__": "__main__"})
    elif block.language == "json":
        json.loads(code)
    elif block.title is not None:
        (folder / block.title).write_text(block.code)


def _run_line(line: str, folder: Path) -> tuple[int, str]:
    """Exit code, and what it says on stdout and then on stderr."""
    words = shlex.split(line, comments=True)
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        os.environ[name] = value
        return 0, ""
    if words[0] != "stagewright":
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euc", line],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(words[1:])
    return code, out.getvalue() + err.getvalue()


def _compare(code: str, folder: Path) -> None:
    """Run the lines behind `$ `, and hold what each says to the lines below it."""
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        returned, said = _run_line(line, folder)
        assert returned in (0, 1), f"{line}\n{said}"
        found = [each for each in said.splitlines() if each.strip()]
        wanted = shown.splitlines()
        assert len(found) == len(wanted), f"{line}\n{said}"
        for pattern, each in zip(map(_pattern, wanted), found, strict=True):
            assert re.fullmatch(pattern, each), f"{line}\nshown: {pattern}\n{said}"


def _pattern(shown: str) -> str:
    """As it is shown, but for how wide columns are and what differs each time; `…` is for anything."""
    shown = re.sub(_DIGEST, "\x02", re.sub(_MOMENT, "\x00", shown.strip().replace("…", "\x03")))
    shown = re.sub(r"\s+", "\x01", shown)
    marks = {"\x00": _MOMENT, "\x01": r"\s+", "\x02": _DIGEST, "\x03": ".*"}
    return "".join(marks.get(part, re.escape(part)) for part in re.split(r"([\x00-\x03])", shown)) + r"\s*"

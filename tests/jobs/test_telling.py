"""How far a job is: lines in a log, rarer and rarer; a bar on a terminal; and stdout for answers alone."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from jobs.cli.bar import Bar, says
from jobs.spark import tally
from jobs.telling import Lines, Step, duration

STEP = Step(rows=1_500, total=6_000, bad=3, rate=50.0, tasks=(3, 12), seconds=30.0)


def test_a_step_says_rows_rate_bad_rows_and_the_time_left() -> None:
    assert STEP.line() == ("1,500 of 6,000 rows, 50.0 rows a second, 3 without a prediction, about 90 s left")
    assert says(STEP) == "1,500/6,000 photos · 50.0/s · 90 s left · 3 bad"


def test_where_the_rows_are_not_counted_the_time_left_is_by_tasks() -> None:
    unknown = Step(rows=1_500, total=None, bad=None, rate=50.0, tasks=(3, 12), seconds=30.0)
    assert unknown.line() == "1,500 rows, 50.0 rows a second, about 90 s left"
    begun = Step(rows=1, total=None, bad=None, rate=0.5, tasks=(0, 12), seconds=2.0)
    assert begun.line() == "1 rows, 0.5 rows a second, time left unknown"


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.4, "12 s"), (99, "99 s"), (185, "3 min"), (7_500, "2 h 5 min")]
)
def test_a_duration_is_as_exact_as_it_is_of_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_log_gets_some_ten_lines_a_minute_at_first_and_one_a_minute_later() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    counts = {}
    for second in range(1, 8 * 3600):
        lines.step(Step(second, None, None, 1.0, (0, 1), float(second)))
        counts[second] = len(said)
    assert counts[1] == 0
    assert counts[2] == 1
    assert 5 <= counts[60] <= 10
    assert counts[8 * 3600 - 1] < 8 * 60 + 10


def drawn(*lines: str) -> str:
    """What a terminal gets of a bar with a step and these lines."""
    screen = io.StringIO()
    with Bar(Console(file=screen, force_terminal=True, width=120)).shown() as bar:
        bar.step(STEP)
        for line in lines:
            bar(line)
    return screen.getvalue()


def test_a_bar_shows_the_step_and_lines_as_they_are() -> None:
    shown = drawn("[bold]photos[/bold] :smile: in [/tmp]")
    assert "1,500/6,000 photos" in shown
    assert "90 s left" in shown
    assert "[bold]photos[/bold] :smile: in [/tmp]" in shown


def test_a_bar_takes_the_cursor_from_nobody_who_kills_it() -> None:
    shown = drawn()
    assert shown.index("\x1b[?25h") < shown.index("1,500/6,000")


class Wrapper:
    """A model as far as it reads photos."""

    def read(self, content: bytes) -> int:
        return len(content)


def test_workers_tell_of_each_photo_that_they_read_and_readers_never_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "EVERY_S", 0)
    assert tally.read(tmp_path) == 0
    file = tally.file_in(tmp_path)
    first, second = Wrapper(), Wrapper()
    for model in (first, second):
        tally.count(model, file)
    assert [first.read(b"abc"), second.read(b""), first.read(b"x")] == [3, 0, 1]
    assert tally.read(tmp_path) == 3
    Path(file).unlink()
    assert first.read(b"abc") == 3
    assert tally.read(tmp_path) == 0
    tally.count(object(), file)  # a wrapper of another kind is left as it is


PROGRAM = """
import sys
from jobs.cli.bar import telling
from jobs.telling import Shows, Step
with telling(len(sys.argv) > 1) as say:
    say("a line")
    print("bar" if isinstance(say, Shows) else "lines")
"""


@pytest.mark.parametrize(
    ("terminal", "arguments", "term", "kind"),
    [
        (True, [], "xterm", "bar"),
        (True, ["--verbose"], "xterm", "lines"),
        (True, [], "dumb", "lines"),
        (False, [], "xterm", "lines"),
    ],
)
def test_only_a_terminal_gets_a_bar_and_stdout_none_of_it(
    terminal: bool, arguments: list[str], term: str, kind: str
) -> None:
    ours, theirs = pty.openpty() if terminal else os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": term},
        check=True,
        timeout=60,
    )
    os.close(theirs)
    assert done.stdout.decode() == f"{kind}\n"
    assert "a line" in os.read(ours, 65_536).decode()
    os.close(ours)

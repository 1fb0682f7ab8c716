"""Which commit the current folder is at."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit's full id, and whether the folder differs from it."""

    sha: str
    dirty: bool


def current_commit(folder: Path) -> Commit | None:
    """The commit that a folder is at; None outside a repository, before the first commit and without git."""
    sha = _git(folder, "rev-parse", "HEAD")
    if not sha:
        return None
    return Commit(sha, dirty=_git(folder, "status", "--porcelain") != "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

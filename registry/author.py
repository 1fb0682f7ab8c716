"""Who acts."""

from __future__ import annotations

import getpass
import os


def author() -> str:
    """Who acts: MLFLOW_TRACKING_USERNAME, which a server has checked, else the operating system's user."""
    named = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user id without a name
        return f"uid {os.getuid()}"

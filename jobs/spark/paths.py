"""How Spark and Hadoop write a path: as an address, as it is, as a glob."""

import re

# What java.net.URI leaves as it is in a path, and what Hadoop's globs are made of.
_QUOTED = re.compile(r"[^A-Za-z0-9/_\-!.~'()*,;:$&+=@\u00a1-\U0010ffff]")
_GLOB = re.compile(r"([\\*?\[\]{},^])")


def as_address(path: str) -> str:
    """A path of Hadoop's as java.net.URI quotes it."""
    return _QUOTED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), path)


def literal(path: str) -> str:
    """A path that is not taken for a glob, whatever is in it."""
    return _GLOB.sub(r"\\\1", path)


def as_path(address: str) -> str:
    """An address as java.net.URI quotes it, as Hadoop shows its path."""
    quoted = re.sub("^file:/*", "file:/", address)
    return re.sub(
        r"(?:%[0-9A-Fa-f]{2})+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), quoted
    )

"""Which addresses there are, and which of them a row may have read: a table's rows may be anybody's.

A row could name any file of its worker, and whatever the worker's credentials and its network open.
"""

import os
import re
import sys
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark import cloudpickle

from .fault import FORBIDDEN, MISSING, UNSUPPORTED, NoPhoto

FILE, WEB = "file", ("http", "https")
HDFS, VIEWFS = "hdfs", "viewfs"
HADOOP = (HDFS, VIEWFS)
STORES = {name: name for name in ("s3", "gs", "az", "azure", "abfs", "abfss")} | {"s3a": "s3", "s3n": "s3"}
KNOWN = f"{FILE}:, s3:, gs:, az:, abfss:, {HDFS}:, http: and https:"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(.*)", re.DOTALL)
_PORTS = {"http": 80, "https": 443}

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Place:
    """An address, taken apart. `path` begins with a slash.

    `host`: of files nothing, of stores the bucket, of HDFS nothing where it is the worker's own (`fs.defaultFS`).

    `url` is what is asked for on the web. `public`: whether only hosts that anybody may reach are to be asked.
    """

    scheme: str
    host: str
    path: str
    url: str = ""
    public: bool = False

    @property
    def name(self) -> str:
        """The whole of it, as it is written."""
        return f"{self.scheme}://{self.host}{self.path}"


def place(address: str) -> Place:
    """An absolute address or path. Raises NoPhoto on what is none, or carries a user and a password."""
    if not address:
        raise NoPhoto(MISSING, "the address is empty")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in address):
        raise NoPhoto(UNSUPPORTED, "the address has control characters")
    if address.startswith("/"):
        return _file(address)
    matched = _SCHEME.fullmatch(address)
    if matched is None:
        raise NoPhoto(UNSUPPORTED, f"this is no address; there are {KNOWN}, and paths")
    scheme, rest = matched[1].lower(), matched[2]
    if scheme == FILE:
        return _file(_local(rest))
    if scheme in STORES and rest.startswith("//"):
        return _stored(STORES[scheme], rest[2:])
    if scheme in HADOOP and rest.startswith("/"):
        return _hadoop(scheme, rest)
    if scheme in WEB and rest.startswith("//"):
        return _web(address)
    raise NoPhoto(UNSUPPORTED, f"addresses of this kind are not read; there are {KNOWN}, and paths")


@dataclass(frozen=True)
class Roots:
    """Where photos may lie: below one of `given`, as addresses; a scheme alone, as `https://`, stands for all hosts.

    Where none is given: object stores, and hosts of the web that are public. Never files.
    """

    given: tuple[str, ...] = ()

    def find(self, address: str) -> Place:
        """An address, or a path that counts from the only root. Raises NoPhoto where it is not to be read."""
        return self.allowed(place(self._absolute(address)))

    def allowed(self, found: Place) -> Place:
        """The place, and whether its host has to be public. Raises NoPhoto where it is not to be read."""
        if ".." in re.split(r"[/\\]", unquote(found.path)):
            raise NoPhoto(FORBIDDEN, "the address has a `..` in it")
        if not self.given:
            if found.scheme in (FILE, *HADOOP):
                whose = "a worker" if found.scheme == FILE else "HDFS"
                raise NoPhoto(
                    FORBIDDEN, f"files of {whose} are read only below a --path-root, and none was given"
                )
            return self._public(found)
        if any(_is_below(found, root) for root in map(_root, self.given) if root.host or root.path):
            return found
        if any(
            root.scheme == found.scheme for root in map(_root, self.given) if not root.host and not root.path
        ):
            return self._public(found)
        raise NoPhoto(FORBIDDEN, "the address is not below a --path-root")

    @property
    def schemes(self) -> frozenset[str]:
        """Of all roots. Raises NoPhoto on one that is no address."""
        return frozenset(_root(root).scheme for root in self.given)

    def _absolute(self, address: str) -> str:
        if not address or address.startswith("/") or _SCHEME.fullmatch(address):
            return address
        if len(self.given) != 1:
            raise NoPhoto(
                UNSUPPORTED, "a relative path counts from a --path-root, of which there has to be one"
            )
        return f"{self.given[0].rstrip('/')}/{address}"

    def _public(self, found: Place) -> Place:
        return Place(found.scheme, found.host, found.path, found.url, public=found.scheme in WEB)


def _root(given: str) -> Place:
    scheme = given.rstrip(":/").lower()
    if scheme in WEB:
        return Place(scheme, "", "")
    return place(given)


def _is_below(found: Place, root: Place) -> bool:
    if found.scheme == root.scheme == FILE:
        path, above = (os.path.realpath(each.path) for each in (found, root))
        return path.startswith(above.rstrip("/") + "/")
    if (found.scheme, found.host) != (root.scheme, root.host):
        return False
    return found.path == root.path or found.path.startswith(root.path.rstrip("/") + "/")


def _file(path: str) -> Place:
    return Place(FILE, "", path)


def _local(rest: str) -> str:
    """The path of a `file:` address, as it stands: Spark and stagewright write it so, blanks and all."""
    if rest.startswith("//") and not rest.startswith("///"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() != "localhost":
            raise NoPhoto(UNSUPPORTED, "the address names a file of another machine")
        return slash + path
    if not rest.startswith("/"):
        raise NoPhoto(UNSUPPORTED, "the address names a file without its whole path")
    return "/" + rest.lstrip("/")


def _stored(scheme: str, rest: str) -> Place:
    bucket, _, key = rest.partition("/")
    # Azure writes the container so.
    if "@" in bucket and (scheme in ("s3", "gs") or ":" in bucket):
        raise _with_password()
    if not bucket:
        raise NoPhoto(MISSING, "the address names no bucket")
    return Place(scheme, bucket, f"/{key}")


def _hadoop(scheme: str, rest: str) -> Place:
    """`hdfs:/path` and `hdfs:///path` are in the file system that the worker's own settings name."""
    host, path = "", rest
    if rest.startswith("//"):
        host, _, path = rest[2:].partition("/")
    if "@" in host:
        raise _with_password()
    return Place(scheme, host, "/" + path.lstrip("/"))


def _web(address: str) -> Place:
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    try:
        url = parse_url(address)
    except LocationParseError:
        raise NoPhoto(UNSUPPORTED, "this is no address of the web") from None
    if url.auth is not None:
        raise _with_password()
    if url.host is None or url.scheme not in WEB:
        raise NoPhoto(UNSUPPORTED, "the address names no host")
    host = f"{url.host.lower()}:{url.port or _PORTS[url.scheme]}"
    return Place(url.scheme, host, url.path or "/", url._replace(fragment=None).url)


def _with_password() -> NoPhoto:
    return NoPhoto(
        FORBIDDEN, "the address has a user or a password in it; credentials come from the environment"
    )

"""Photos by their addresses: a real web server and real files, without Spark."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from benchmarks import s3_server
from jobs.addresses import stores
from jobs.addresses import web as web_
from jobs.addresses.budget import Limits
from jobs.addresses.fault import Got
from jobs.addresses.fetching import FETCHED, Fetching, fetching
from jobs.addresses.places import Roots

from .addresses import PHOTO, web

ROWS = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Counter[str]]]:
    with web() as found:
        yield found


def fetched(
    *addresses: str | None, roots: tuple[str, ...] = (), max_bytes: int = 1 << 22, timeout_s: float = 20
) -> list[Got]:
    rows = pa.array([{"bytes": None, "path": address} for address in addresses], ROWS)
    fetch = fetching(Fetching(Roots(roots), Limits(max_bytes, timeout_s)))
    runs = list(fetch(iter([rows])))
    assert all(run.type == FETCHED for run in runs)
    return [Got(**row) for run in runs for row in run.to_pylist()]


def of_server(server: tuple[str, Counter[str]], path: str, **limits: float) -> Got:
    return fetched(server[0] + path, roots=(server[0],), **limits)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["/photo.jpg", "/photo.jpg?signature=a%2Fb&c=d", "/unsized", "/busy?a", "/cut-once?a"]
)
def test_a_photo_comes_whole_though_the_server_is_busy_or_cuts_it_off(
    server: tuple[str, Counter[str]], path: str
) -> None:
    assert of_server(server, path) == Got(PHOTO)


@pytest.mark.parametrize(
    ("path", "status", "error", "tries"),
    [
        ("/404", "missing", "HTTP 404", 1),
        ("/410", "missing", "HTTP 410", 1),
        ("/403", "forbidden", "HTTP 403", 1),
        ("/401", "forbidden", "HTTP 401", 1),
        ("/418", "unreachable", "HTTP 418", 1),
        ("/500", "unreachable", "HTTP 500, tried 5 times", 5),
        ("/cut?b", "unreachable", "cut its answer off", 5),
        ("/endless", "too_large", "more than 4194304 bytes", 1),
    ],
)
def test_what_a_server_says_is_the_rows_status(
    server: tuple[str, Counter[str]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: str,
    error: str,
    tries: int,
) -> None:
    monkeypatch.setattr(web_, "_BACK_OFF_S", 0.001)
    server[1].clear()
    got = of_server(server, path)
    assert (got.content, got.status) == (None, status)
    assert error in str(got.error)
    assert server[1][path] == tries


@pytest.mark.parametrize("path", ["/slow", "/stuck"])
def test_a_server_that_drips_is_given_up_in_the_stated_time(
    server: tuple[str, Counter[str]], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(web_, "_READ_S", 1.0)
    started = time.monotonic()
    got = of_server(server, path, timeout_s=2.0)
    assert got.status == "unreachable"
    assert time.monotonic() - started < 10


def test_a_host_that_is_not_there_is_unreachable_and_nothing_of_the_address_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_, "_BACK_OFF_S", 0.001)
    [got] = fetched("http://127.0.0.1:9/secret-path?signature=secret", roots=("http://127.0.0.1:9",))
    assert got.status == "unreachable"
    assert got.error == "no photo: 127.0.0.1:9 did not answer (NewConnectionError), tried 5 times"


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("/photo.jpg", None, ""),
        ("http://169.254.169.254/latest/meta-data", "forbidden", "not below a --path-root"),
        ("file:///etc/passwd", "forbidden", "redirects to file:"),
        ("s3://bucket/key", "forbidden", "redirects to s3:"),
        ("http://u:secret@127.0.0.1/", "forbidden", "a user or a password"),
        ("/to?/photo.jpg", "unreachable", "redirects more than 5 times"),
    ],
)
def test_a_redirect_is_followed_only_to_where_a_row_may_lead(
    server: tuple[str, Counter[str]], target: str, status: str | None, error: str
) -> None:
    loops = "/to?" * 6 if "more than" in error else "/to?"
    got = of_server(server, loops + target)
    assert got.status == status
    assert error in (got.error or "")
    assert "secret" not in (got.error or "")


@pytest.mark.parametrize("root", [(), ("http://",)])
def test_a_host_of_a_private_network_is_not_asked_unless_it_is_named(
    server: tuple[str, Counter[str]], root: tuple[str, ...]
) -> None:
    server[1].clear()
    [got] = fetched(server[0].replace("127.0.0.1", "localhost") + "/photo.jpg", roots=root)
    assert got.status == "forbidden"
    assert "not public" in str(got.error)
    assert not server[1]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("10.1.2.3", False),
        ("::1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::", False),
        ("fe80::1%eth0", False),
        ("224.0.0.1", False),
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
    ],
)
def test_which_addresses_everybody_may_reach(address: str, public: bool) -> None:
    assert web_._is_public(address) is public


def test_files_are_read_below_a_root_only_and_only_regular_ones(tmp_path: Path) -> None:
    root, outside = tmp_path / "a root", tmp_path / "outside.jpg"
    root.mkdir()
    outside.write_bytes(b"outside")
    (root / "a.jpg").write_bytes(PHOTO)
    (root / "inside").symlink_to("a.jpg")
    (root / "out").symlink_to(outside)
    os.mkfifo(root / "fifo")
    (root / "large").write_bytes(bytes(5 << 20))
    wanted = {
        f"{root}/a.jpg": None,
        f"file:{root}/a.jpg": None,
        f"file://{root}/a.jpg": None,
        f"file://localhost{root}/a.jpg": None,
        "a.jpg": None,
        "inside": None,
        "out": "forbidden",
        "../outside.jpg": "forbidden",
        f"{root}/../outside.jpg": "forbidden",
        f"{outside}": "forbidden",
        "/etc/passwd": "forbidden",
        "/dev/zero": "forbidden",
        "fifo": "unsupported",
        f"{root}": "forbidden",
        "nothing.jpg": "missing",
        "large": "too_large",
        "": "missing",
        "file://elsewhere/a.jpg": "unsupported",
        "ftp://host/a.jpg": "unsupported",
        "a\nb": "unsupported",
        "https://user:secret@host/a.jpg": "forbidden",
        "s3://bucket/a.jpg": "forbidden",
    }
    got = fetched(*wanted, roots=(str(root),))
    assert dict(zip(wanted, (each.status for each in got), strict=True)) == wanted
    assert all(each.content == PHOTO for each in got if each.status is None)
    assert all("secret" not in (each.error or "") for each in got)
    [unrooted] = fetched(f"{root}/a.jpg")
    assert (unrooted.status, "--path-root" in str(unrooted.error)) == ("forbidden", True)


@pytest.mark.parametrize(
    ("address", "root", "status"),
    [
        ("https://host/photos/a.jpg", "https://host/photos", True),
        ("https://HOST:443/photos/a.jpg", "https://host/photos/", True),
        ("https://host/photos-of-others/a.jpg", "https://host/photos", False),
        ("https://host/photos/%2e%2e/a.jpg", "https://host/photos", False),
        ("https://host/photos/..\\a.jpg", "https://host/photos", False),
        ("https://host.evil/photos/a.jpg", "https://host", False),
        ("http://host/photos/a.jpg", "https://host", False),
        ("s3a://bucket/a/b.jpg", "s3://bucket/a", True),
        ("s3://bucket2/a/b.jpg", "s3://bucket", False),
        ("a/b.jpg", "s3://bucket/photos", True),
        ("abfss://box@account.dfs.core.windows.net/a.jpg", "abfss://box@account.dfs.core.windows.net", True),
    ],
)
def test_which_addresses_lie_below_a_root(address: str, root: str, status: bool) -> None:
    from jobs.addresses.fault import NoPhoto

    if status:
        Roots((root,)).find(address)
    else:
        with pytest.raises(NoPhoto) as found:
            Roots((root,)).find(address)
        assert found.value.status == "forbidden"


def test_many_rows_come_in_order_with_the_bytes_that_they_had(server: tuple[str, Counter[str]]) -> None:
    """Many at once, more than may wait, and rows of all kinds beside one another."""
    rows = [
        {"bytes": b"%d" % i if i % 3 == 0 else None, "path": f"{server[0]}/photo?{i}" if i % 3 == 1 else None}
        for i in range(700)
    ]
    arrays = [
        pa.array(rows[:600], ROWS),
        pa.array([], ROWS),
        pa.array(rows[600:], ROWS),
        pa.array([None], ROWS),
    ]
    runs = list(fetching(Fetching(Roots((server[0],)), Limits(1 << 22, 20)))(iter(arrays)))
    expected = [b"%d" % i if i % 3 == 0 else PHOTO if i % 3 == 1 else None for i in range(700)] + [None]
    found = [row for run in runs for row in run.to_pylist()]
    assert [row["content"] for row in found] == expected
    assert not any(row["status"] for row in found)
    ends = [sum(map(len, runs[: i + 1])) for i in range(len(runs))]
    assert {600, 700, 701} <= set(ends)


def test_photos_that_wait_have_no_more_bytes_than_they_may(
    server: tuple[str, Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.addresses import fetching as module

    monkeypatch.setattr(module, "AHEAD_BYTES", 3 * len(PHOTO))
    monkeypatch.setattr(module, "PIECE_BYTES", 2 * len(PHOTO))
    server[1].clear()
    rows = pa.array([{"bytes": None, "path": f"{server[0]}/photo?{i}"} for i in range(100)], ROWS)
    runs = fetching(Fetching(Roots((server[0],)), Limits(1 << 22, 20)))(iter([rows]))
    found = next(runs)
    time.sleep(0.3)
    assert len(server[1]) <= module.AT_ONCE + 8
    found = [*found.to_pylist(), *(row for run in runs for row in run.to_pylist())]
    assert [row["content"] for row in found] == [PHOTO] * 100


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """A bucket `photos` with `a/photo.jpg`; asked for by paths, with what is wrong in their names."""
    asked: Counter[str] = Counter()

    def harm(path: str) -> str | None:
        asked[path] += 1
        if "forbidden" in path:
            return "403 Forbidden"
        if "down" in path or ("busy" in path and asked[path] < 3):
            return "503 Slow Down"
        return None

    with s3_server.serving(s3_server.application(harm=harm)) as endpoint:
        settings = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="photos")
        for key in ("a/photo.jpg", "a b/ä%20?.jpg"):
            client.put_object(Bucket="photos", Key=key, Body=PHOTO)
        client.put_object(Bucket="photos", Key="large", Body=bytes(5 << 20))
        asked.clear()
        yield asked


def test_photos_of_an_object_store_come_with_the_credentials_of_the_environment(bucket: Counter[str]) -> None:
    wanted = {
        "s3://photos/a/photo.jpg": None,
        "s3a://photos/a/photo.jpg": None,
        "s3://photos/a b/ä%20?.jpg": None,
        "s3://photos/nothing.jpg": "missing",
        "s3://no-such-bucket/photo.jpg": "missing",
        "s3://photos/forbidden.jpg": "forbidden",
        "s3://photos/down.jpg": "unreachable",
        "s3://photos/large": "too_large",
        "s3://user:very-secret@photos/a/photo.jpg": "forbidden",
        "s3://photos/": "unsupported",
    }
    got = fetched(*wanted)
    assert dict(zip(wanted, (each.status for each in got), strict=True)) == wanted
    assert all(each.content == PHOTO for each in got if each.status is None)
    assert all("secret" not in (each.error or "") for each in got)


def test_a_store_that_is_busy_is_asked_again(bucket: Counter[str]) -> None:
    assert fetched("s3://photos/busy.jpg")[0].status == "missing"
    assert bucket["/photos/busy.jpg"] == 3


def test_a_store_whose_library_is_not_there_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(RuntimeError, match=r"pip install 'stagewright\[object-stores\]' on all executors"):
        fetched("s3://photos/a.jpg")


@pytest.mark.parametrize(
    ("name", "said", "plain"),
    [
        ("AZURE_ALLOW_HTTP", "true", True),
        ("AWS_ALLOW_HTTP", "1", True),
        ("AZURE_ALLOW_HTTP", "false", False),
        ("ALLOW_HTTP", "true", False),
    ],
)
def test_a_store_of_any_kind_is_asked_without_tls_where_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str, plain: bool
) -> None:
    for other in ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, said)
    assert stores.may_be_plain() is plain

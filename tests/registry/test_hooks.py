"""Who is told of moves: a real web server, a real command, what is killed between, and what nobody takes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from jobs.cli import main
from registry import Event, EventKind, Gates, Registry, Stage, UserError, tags
from registry.hooks import web
from registry.ledger.history import record

SECRET = "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlcg=="


@dataclass
class Receiver:
    """A server on loopback that keeps what it is told; `answers` are its next statuses, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[tuple[str, int, str]]:
        """Kind, version and stage of each message whose signature verifies."""
        said = [Webhook(SECRET).verify(body, headers) for headers, body in self.asked]
        return [
            (one["type"], one["data"]["event"]["version"], one["data"]["event"]["to_stage"]) for one in said
        ]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.asked]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.asked.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("location", f"{found.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def here(
    sqlite_uri: str,
    three_on_sqlite: None,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder whose gates.toml tells the receiver; its commands go to a registry of three versions."""
    monkeypatch.setattr(web, "PAUSE_S", 0.01)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri)
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    declare(f'name = "shop"\nurl = "{receiver.url}/token-in-the-path"\nsecret_env = "SHOP_SECRET"')
    return tmp_path


def declare(*hooks: str, gates: str = "") -> None:
    Path("gates.toml").write_text("".join(f"[[hooks]]\n{hook}\n" for hook in hooks) + gates)


def test_moves_and_refusals_are_told_signed_and_once(
    here: Path, receiver: Receiver, name: str, sqlite_reg: Registry
) -> None:
    assert main(["promote", name, "1", "Production", "--because", "first"]) == 0
    declare(
        f'name = "shop"\nurl = "{receiver.url}"\nsecret_env = "SHOP_SECRET"',
        gates="[Production.tags]\nowner = true\n",
    )
    assert main(["promote", name, "2", "Production"]) == 1
    assert main(["promote", name, "2", "Production", "--force", "--because", "hurry"]) == 0
    assert main(["rollback", name, "Production"]) == 0
    assert main(["deliver"]) == 0

    assert receiver.events() == [
        ("version.promoted", 1, "Production"),
        ("version.refused", 2, "Production"),
        ("version.overridden", 2, "Production"),
        ("version.rolled_back", 1, "Production"),
    ]
    assert receiver.ids() == [event.event_id for event in sqlite_reg.history(name)]
    assert json.loads(receiver.asked[0][1])["data"] == {
        "registry": str(sqlite_reg.address),
        "model": name,
        "event": {"id": receiver.ids()[0], **sqlite_reg.history(name)[0].document()},
    }


def test_what_was_there_before_the_hook_is_not_told(
    here: Path, receiver: Receiver, name: str, sqlite_reg: Registry
) -> None:
    sqlite_reg.promote(name, 1, "Staging")
    assert main(["deliver", name]) == 0
    slow = Event(EventKind.REFUSED, 3, Stage.STAGING, at=sqlite_reg.history(name)[0].at)
    record(sqlite_reg._client, name, slow)

    assert main(["deliver", name]) == 0

    assert receiver.events() == [("version.refused", 3, "Staging")], "a clock that is late is no reason"


@pytest.mark.parametrize(("answers", "asked"), [([503, 429], 3), ([500] * 3, 3), ([404], 1), ([302], 1)])
def test_a_receiver_that_fails_is_asked_again_and_changes_no_move(
    here: Path,
    receiver: Receiver,
    name: str,
    answers: list[int],
    asked: int,
    capsys: pytest.CaptureFixture[str],
    sqlite_reg: Registry,
) -> None:
    receiver.answers = list(answers)

    assert main(["promote", name, "1", "Production"]) == 0

    said = capsys.readouterr().err
    assert len(receiver.asked) == asked
    assert sqlite_reg.resolve(f"models:/{name}/Production").number == 1
    failed = len(answers) == asked
    assert ("the hook 'shop' was not told of version 1, promoted" in said) == failed
    assert (f"Next: stagewright deliver {name}" in said) == failed
    assert SECRET not in said
    assert "token-in-the-path" not in said
    assert main(["deliver", name]) == 0
    assert len(set(receiver.ids())) == 1
    assert len(receiver.asked) == asked + failed


def test_who_is_killed_before_the_mark_leaves_it_to_the_next_command_with_the_same_id(
    here: Path, receiver: Receiver, name: str, sqlite_reg: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = Gates.load().hooks
    sqlite_reg.begin_hooks(name, hooks)
    sqlite_reg.promote(name, 1, "Production")  # and killed before anybody was told
    with monkeypatch.context() as patched:
        patched.setattr(type(sqlite_reg._client), "set_model_tag", _killed)
        with pytest.raises(KeyboardInterrupt):
            list(sqlite_reg.deliver(name, hooks))

    assert main(["promote", name, "2", "Staging"]) == 0

    assert receiver.events() == [
        ("version.promoted", 1, "Production"),
        ("version.promoted", 1, "Production"),
        ("version.promoted", 2, "Staging"),
    ]
    assert len(set(receiver.ids())) == 2


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_hook_that_fails_keeps_no_other_from_hearing_and_hears_in_order(
    here: Path, receiver: Receiver, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(
        f'name = "broken"\ncommand = ["{sys.executable}", "-c", "import sys; sys.exit(\'no disk\')"]',
        f'name = "shop"\nurl = "{receiver.url}"\nsecret_env = "SHOP_SECRET"\nstages = ["Production"]',
    )
    for number, stage in ((1, "Staging"), (2, "Production")):
        assert main(["promote", name, str(number), stage]) == 0
    said = capsys.readouterr().err

    assert receiver.events() == [("version.promoted", 2, "Production")]
    assert said.count("ended with 1: no disk") == 2
    assert main(["deliver", name]) == 1
    assert "A hook did not take" in capsys.readouterr().err


def test_a_command_gets_the_event_on_stdin(here: Path, name: str) -> None:
    (here / "tell.py").write_text("import sys; open('told.json', 'w').write(sys.stdin.read())")
    declare(f'name = "keep"\ncommand = ["{sys.executable}", "tell.py"]')

    assert main(["promote", name, "1", "Production", "--because", "$(touch planted) `touch planted`"]) == 0

    assert (
        json.loads((here / "told.json").read_text())["data"]["event"]["because"]
        == "$(touch planted) `touch planted`"
    )
    assert not (here / "planted").exists()


def test_a_beginning_that_cannot_be_read_tells_nothing_and_says_so(
    here: Path, receiver: Receiver, name: str, sqlite_reg: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite_reg._client.set_model_tag(name, tags.hook("shop"), '{"at": "whenever"}')

    assert main(["promote", name, "1", "Production"]) == 0

    assert receiver.asked == []
    assert "The tag 'stagewright.hook.shop' is passed over" in caplog.text


def test_a_secret_that_is_not_there_sends_nothing(
    here: Path,
    receiver: Receiver,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "")

    assert main(["promote", name, "1", "Production"]) == 0

    assert receiver.asked == []
    assert "the variable SHOP_SECRET has none" in capsys.readouterr().err


def test_without_hooks_there_is_nothing_to_deliver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["deliver"]) == 2


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ('url = "http://shop"', "'name' is missing"),
        ('name = "a b"\nurl = "http://shop"', "'name' 'a b' is not of letters"),
        ('name = "a"', "only one of them"),
        ('name = "a"\nurl = "http://shop"\ncommand = ["true"]', "only one of them"),
        ('name = "a"\nurl = "file:///etc/passwd"', "is no http:// or https:// address"),
        ('name = "a"\ncommand = ["true"]\nsecret_env = "X"', "a command needs none"),
        (
            'name = "a"\nurl = "http://shop"\non = ["moved"]',
            "'on' has 'moved'; there are registered, promoted",
        ),
        ('name = "a"\nurl = "http://shop"\nstages = ["Canary"]', "'a' names 'Canary'; there are"),
        ('name = "a"\nurl = "http://shop"\nsecret = "x"', "'secret' is unknown here"),
        (
            'name = "a"\nurl = "http://shop"\n[[hooks]]\nname = "a"\nurl = "http://shop"',
            "is that of another hook",
        ),
    ],
)
def test_a_mistake_in_a_hook_is_named(
    tmp_path: Path, hook: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    declare(hook)
    with pytest.raises(UserError, match=said):
        Gates.load()

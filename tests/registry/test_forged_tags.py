"""Tags by whoever may write tags: forged ones move nothing by being looked at, malformed ones stop nobody."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from jobs.cli import documents
from registry import Event, EventKind, PolicyRefused, Registry, Stage, Verdict, tag_values, tags, tenure
from registry.gates.evidence import comparisons_of, evidence_of
from registry.gates.reading import Gates
from registry.ledger.claims import Claim, claims_in
from registry.ledger.history import composed, events_in
from registry.ledger.standing import Standing, before, changes
from registry.tag_values import Malformed
from registry.trust import approvals, policy, statements
from registry.versions import ModelVersion

from .conftest import PackageMaker, make_three
from .test_chain import READERS, _everything
from .test_signing import key_pair

ID = "20260101T000000000000Z-00000000"
EVENT_TAG = tags.event(ID)


def event(**said: Any) -> dict[str, Any]:
    """An event as the ledger keeps it."""
    made = Event(EventKind.PROMOTED, 2, Stage.PRODUCTION, previous=1, because="ok", who="ada")
    verdict = Verdict("top1", True, "0.9", ">= 0.8", "f" * 32).document()
    return made.document() | {"more": {"gates": [verdict]}} | said


def claim(**said: Any) -> dict[str, Any]:
    made = Claim(
        "", "cafe", 3, 3, composed(Event(EventKind.PROMOTED, 2, Stage.PRODUCTION)), pid=1, host="there"
    )
    written: dict[str, Any] = json.loads(made.value())
    return written | {"at": datetime.now(UTC).isoformat()} | said


# --- forged


@pytest.mark.parametrize("forged", ["an event and a claim", "a claim"])
def test_forged_tags_are_told_of_by_who_looks_and_change_nothing(
    sqlite_uri: str, sqlite_reg: Registry, name: str, forged: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_three(sqlite_uri, name)
    first = sqlite_reg.promote(name, 1, "Production").event
    assert first is not None
    false = composed(Event(EventKind.PROMOTED, 3, Stage.PRODUCTION, previous=1, who="grace"), first)
    client = MlflowClient(sqlite_uri)
    if forged == "a claim":
        said = {"id": false.event_id, **false.document()}
        text = json.dumps(claim(event=said, promised=7, accepted=7))
    else:
        client.set_registered_model_tag(name, tags.event(false.event_id), json.dumps(false.document()))
        text = json.dumps(claim(event=None, promised=0, accepted=0))
    client.set_registered_model_tag(name, tags.claim(first.event_id, "cafe"), text)
    before = _everything(sqlite_uri, name)
    for look in READERS.values():
        caplog.clear()
        found = look(sqlite_reg, name)
        assert "version 3 to Production, promoted by 'grace'" in (caplog.text or str(found))
    assert _everything(sqlite_uri, name) == before
    assert sqlite_reg.resolve(f"models:/{name}/Production").number == 1
    assert sqlite_reg.resolve(f"models:/{name}@production").number == 1


def test_text_of_a_tag_gives_a_terminal_nothing_to_obey() -> None:
    forged = Event(
        EventKind.PROMOTED, 1, Stage.STAGING, who="ada\x1b[2J\nroot", because="\x1b]0;x\x07 fine\r\n2026"
    )
    lines = documents.events([forged])
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


# --- malformed, one by one

DEEP = "[" * 5000
NONSENSE = {
    "no JSON": "promoted",
    "empty": "",
    "a list": "[]",
    "null": "null",
    "an object of nothing": "{}",
    "deep": DEEP,
    "deep inside": json.dumps(event())[:-1] + ', "x": ' + "[" * 400 + "]" * 400 + "}",
    "a long number": "9" * 5000,
    "no kind": json.dumps({key: value for key, value in event().items() if key != "kind"}),
    "an unknown kind": json.dumps(event(kind="vanished")),
    "an unknown stage": json.dumps(event(to_stage="production")),
    "a version in words": json.dumps(event(version="2")),
    "a version that is true": json.dumps(event(version=True)),
    "a huge version": json.dumps(event(version=10**400)),
    "a version that is none": json.dumps(event()).replace('"version": 2', '"version": NaN'),
    "the last moment": json.dumps(event(at="9999-12-31T23:59:59.999999+00:00")),
    "the first moment": json.dumps(event(at="0001-01-01T00:00:00+23:59")),
    "no zone": json.dumps(event(at="2026-01-01T00:00:00")),
    "no time": json.dumps(event(at="yesterday")),
    "a parent with lines": json.dumps(event(parent="a\nb")),
    "half a character": json.dumps(event(because="\ud800")),
    "gates in words": json.dumps(event(more={"gates": "all passed"})),
    "a gate without a verdict": json.dumps(event(more={"gates": [{"gate": "top1"}]})),
    "an alias that points nowhere": json.dumps(event(kind="seen", more={"alias": "production"})),
    "more in words": json.dumps(event(more="more")),
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
def test_a_malformed_event_is_one_line_that_names_the_tag(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = {tags.event(f"{ID[:-1]}1"): json.dumps(event())}
    assert len(events_in({EVENT_TAG: text, **good})) == 1
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"The tag '{EVENT_TAG}' is passed over: ")
    assert "\n" not in line
    assert len(line) < 400


CLAIMS = {
    "no JSON": "mine",
    "deep": DEEP,
    "nothing": "{}",
    "a ballot in words": json.dumps(claim(promised="7")),
    "a ballot that nobody gets to": json.dumps(claim(promised=10**12, accepted=10**12)),
    "accepted before it was promised": json.dumps(claim(promised=1, accepted=2)),
    "accepted nothing": json.dumps(claim(event=None)),
    "an event without an id": json.dumps(claim(event=event())),
    "an event of another parent": json.dumps(claim(event={"id": ID, **event(parent=ID)})),
    "an event that moves nothing": json.dumps(claim(event={"id": ID, **event(kind="refused")})),
    "no process": json.dumps(claim(pid=10**300)),
    "the last moment": json.dumps(claim(at="9999-12-31T23:59:59.999999+00:00")),
}


@pytest.mark.parametrize("text", CLAIMS.values(), ids=CLAIMS)
def test_a_malformed_claim_is_one_line_that_names_the_tag(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = tags.claim("", "cafe")
    assert claims_in({key: text, tags.claim("", "beef"): json.dumps(claim())})[0].process == "beef"
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"The tag '{key}' is passed over: ")


def test_malformed_tags_stop_neither_who_looks_nor_who_moves(
    sqlite_uri: str, sqlite_reg: Registry, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_three(sqlite_uri, name)
    sqlite_reg.promote(name, 1, "Production")
    client = MlflowClient(sqlite_uri)
    bad = [tags.event(f"2999{number}") for number in range(len(NONSENSE))]
    for key, text in zip(bad, NONSENSE.values(), strict=True):
        client.set_registered_model_tag(name, key, text)
    claimed = [tags.claim("", f"cafe{number}") for number in range(len(CLAIMS))]
    for key, text in zip(claimed, CLAIMS.values(), strict=True):
        client.set_registered_model_tag(name, key, text)
    for look in READERS.values():
        look(sqlite_reg, name)
    caplog.clear()
    assert sqlite_reg.promote(name, 2, "Production").version.stage is Stage.PRODUCTION
    assert sqlite_reg.rollback(name, "Production").version.number == 1
    lines = [record.getMessage() for record in caplog.records]
    for key in (*bad, *claimed):
        assert len([line for line in lines if f"'{key}'" in line]) <= 2  # once a command
    assert [found.version for found in sqlite_reg.history(name)] == [1, 2, 1]


def test_a_ballot_that_nobody_gets_to_is_told_with_the_tag_to_delete(
    sqlite_uri: str, sqlite_reg: Registry, name: str
) -> None:
    make_three(sqlite_uri, name)
    key = tags.claim("", "cafe")
    highest = json.dumps(claim(promised=10**9, accepted=0, event=None))
    MlflowClient(sqlite_uri).set_registered_model_tag(name, key, highest)
    with pytest.raises(Exception, match=r"Delete the tags stagewright\.claim\.beginning"):
        sqlite_reg.promote(name, 1, "Production")
    MlflowClient(sqlite_uri).delete_registered_model_tag(name, key)
    assert sqlite_reg.promote(name, 1, "Production").event is not None


def version(said: dict[str, str], number: int = 2) -> ModelVersion:
    now = datetime.now(UTC)
    return ModelVersion("flowers", number, Stage.NONE, "READY", now, now, "s3://there", tags=said)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("stagewright.evidence.shop", "1"),
        ("stagewright.evidence.shop.f32", "1"),
        ("stagewright.evidence.shop.f32.top1", "ninety"),
        ("stagewright.evidence.shop.f32.top1", "1e999"),
        ("stagewright.evidence.shop.f32.top1", "9" * 5000),
        ("stagewright.evidence.shop.f32.at", "tomorrow"),
        ("stagewright.evidence.shop.f32.at", "2026-01-01T00:00:00"),
        ("stagewright.evidence.shop.f32.at", "9999-12-31T23:59:59+00:00"),
        ("stagewright.comparison.one.shop.agreement", "1"),
        ("stagewright.comparison.1.shop", "1"),
        ("stagewright.comparison." + "9" * 200 + ".shop.agreement", "1"),
        ("stagewright.comparison.1.shop.agreement", "all"),
        ("stagewright.measured.bf16.agreement", "[]"),
    ],
)
def test_a_malformed_figure_is_one_line_that_names_the_tag_and_no_figure(
    key: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = version({key: text})
    figures = [evidence_of(found), comparisons_of(found), list(found.measured)]
    assert all(not getattr(one, "metrics", {}) for some in figures for one in some)
    [line] = [record.getMessage() for record in caplog.records]
    assert f"'{key}'" in line
    assert "models:/flowers/2" in line


def test_evidence_from_the_future_is_not_fresh(tmp_path) -> None:
    (tmp_path / "gates.toml").write_text('[[Production.evidence]]\ndataset = "shop"\nmax_age_days = 1e300\n')
    judge = Gates.load(tmp_path / "gates.toml").of("Production")
    at = tags.evidence("shop", "f32", tags.EVIDENCE_AT)
    for year, passed in (("2020", True), ("2999", False)):
        [verdict] = judge.judge(version({at: f"{year}-01-01T00:00:00+00:00"}), None)
        assert verdict.passed is passed


@pytest.mark.parametrize("text", [DEEP, "[]", '{"inputs": 3}', '{"inputs": [3]}', '{"outputs": {"a": 1}}'])
def test_a_malformed_schema_is_a_gate_that_fails(tmp_path, text: str) -> None:
    (tmp_path / "gates.toml").write_text("[Production]\nschema = 'same'\n")
    judge = Gates.load(tmp_path / "gates.toml").of("Production")
    good = version({tags.SCHEMA: "{}"}, 1)
    [verdict] = judge.judge(version({tags.SCHEMA: text}), good)
    assert not verdict.passed
    assert "cannot be read" in verdict.found


@pytest.mark.parametrize(
    "text", [DEEP, "9" * 5000, "[]", '{"refuse": 3}', '{"move_keys": ["x"]}', '{"only_stage": NaN}']
)
def test_a_malformed_policy_refuses_who_moves_and_stops_nobody_from_looking(
    sqlite_uri: str, sqlite_reg: Registry, name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_three(sqlite_uri, name)
    MlflowClient(sqlite_uri).set_registered_model_tag(name, tags.POLICY, text)
    with pytest.raises(PolicyRefused, match=r"cannot be understood: [^\n]+$"):
        sqlite_reg.promote(name, 1, "Production")
    caplog.clear()
    assert sqlite_reg.history(name) == []
    assert "cannot be understood" in caplog.text


# --- whatever it is

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(2**70), float("nan"), float("inf"), 1e308, -0.0])
    | TEXT
    | st.sampled_from(
        ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00Z", "2026-01-01", ID, "seen", "Production"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def changed(good: Callable[..., dict[str, Any]]) -> st.SearchStrategy[str]:
    """A good document with some of its values, or all, replaced by anything, or gone; or any text."""
    keys = sorted(good())
    replaced = st.dictionaries(st.sampled_from(keys), ANY, max_size=3).map(
        lambda said: json.dumps(good(**said))
    )
    lacking = st.sets(st.sampled_from(keys)).map(
        lambda gone: json.dumps({key: value for key, value in good().items() if key not in gone})
    )
    cut = st.integers(0, 300).map(lambda at: json.dumps(good())[:at])
    return replaced | lacking | cut | TEXT | ANY.map(json.dumps)


@settings(max_examples=300, deadline=None)
@given(changed(event))
def test_whatever_an_event_says_nothing_that_reads_it_breaks(text: str) -> None:
    found = events_in({EVENT_TAG: text, tags.event(f"{ID[:-1]}1"): json.dumps(event())})
    standing = Standing.told(found)
    changes(standing, Standing({1: Stage.STAGING}, {"production": 1}), [1, 2, 3])
    before(found, Stage.PRODUCTION)
    tenure(found, Stage.PRODUCTION, datetime.now(UTC))
    assert all(line.isprintable() for line in documents.events(found))
    json.dumps([documents.event_document(one) for one in found], allow_nan=False).encode()
    composed(Event(EventKind.PROMOTED, 1, Stage.STAGING), found[0])
    assert [Event.read(one.event_id, json.loads(json.dumps(one.document()))) for one in found] == found


@settings(max_examples=300, deadline=None)
@given(changed(claim))
def test_whatever_a_claim_says_nothing_that_reads_it_breaks(text: str) -> None:
    for found in claims_in({tags.claim("", "cafe"): text}):
        assert isinstance(found.stale, bool)
        assert Claim.read(found.key, found.value()).value() == found.value()


def verdict(**said: Any) -> dict[str, Any]:
    return Verdict("top1", True, "0.9", ">= 0.8", "f" * 32).document() | said


def a_policy(**said: Any) -> dict[str, Any]:
    return {"refuse": ["pickled"], "only_stage": "Staging", "public_keys": [], "move_keys": []} | said


@settings(max_examples=200, deadline=None)
@given(changed(verdict), changed(a_policy))
def test_whatever_a_verdict_or_a_policy_says_it_is_read_or_refused(of_verdict: str, of_policy: str) -> None:
    with suppress(Malformed):
        Verdict.read(tag_values.document(of_verdict))
    with suppress(PolicyRefused):
        policy.registered("flowers", {tags.POLICY: of_policy})


PARTS = st.sampled_from(["evidence", "comparison", "measured", "approval", "evidence_signature"])
KEYS = st.tuples(
    PARTS, st.lists(st.sampled_from(["shop", "f32", "1", "top1", "at", "", "x.y"]) | TEXT, max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS.map(lambda key: f"stagewright.{key[0]}.{'.'.join(key[1])}"), TEXT | ANY.map(str)))
def test_whatever_tags_a_version_has_its_properties_and_figures_are_read(said: dict[str, str]) -> None:
    found = version(said | {tags.PRECISIONS: "f32,,\x00"})
    evidence_of(found)
    comparisons_of(found)
    documents.versions([found])
    documents.version_document(found)


@settings(max_examples=100, deadline=None)
@given(changed(lambda **said: {"signature": "AAAA", "who": "ada", "at": "now"} | said))
def test_whatever_a_signature_says_it_verifies_nothing(key, text: str) -> None:
    found = version({tags.MANIFEST_DIGEST: "0" * 64, tags.approval("Production", key.fingerprint): text})
    assert not approvals.approves(found, Stage.PRODUCTION, key)
    said = statements.read("tag", text)
    assert said is None or not statements.verifies({"a": 1}, said["signature"], key)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory):
    return key_pair(tmp_path_factory.mktemp("keys"), "release")[1]


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def test_a_run_whose_tags_name_no_version_is_told_so(
    sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    made = sqlite_reg.register(package(), name).version
    for number in ("", "two", "9" * 30, "²"):
        run = sqlite_reg.start_run("jobs", "job", {tags.RUN_MODEL_NAME: name, tags.RUN_MODEL_VERSION: number})
        with pytest.raises(Exception, match="used no model version"):
            sqlite_reg.model_of(run)
    assert sqlite_reg.model_of(sqlite_reg.start_run("jobs", "job", version=made)).number == 1

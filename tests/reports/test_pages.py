"""The page of a scoring job: what it says, what it shows, and what it lets nobody do."""

import base64
import io
import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from jobs import reports
from jobs.cli import cli, exit_code
from jobs.errors import InputError
from jobs.reporting import drawing
from jobs.reporting.gathering import gathered
from jobs.reporting.sampling import Lowest
from jobs.reporting.text import shown
from jobs.reporting.timing import Chunk, times
from jobs.scoring import reported
from jobs.scoring.place.stores import Folder
from registry import Registry
from tests.reports.html import Page
from tests.reports.made_up import LABELS, Row, add_chunk, output, photos

HOSTILE = [
    "<img src=x onerror=alert(1)>\"'.jpg",
    "photo\u202egnp.exe.jpg",
    "two\nlines\t.jpg",
    "&lt;b&gt;{{ 7 * 7 }}{% raw %}.jpg",
    "x" * 200 + ".jpg",
    "\u0645\u0631\u062d\u0628\u0627.jpg",
]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """One that does not answer at once with a no: nothing listens there."""
    return Registry(f"file://{tmp_path}/no-registry")


def page_of(registry: Registry, folder: Path) -> Page:
    return Page(reported.made(registry, Folder(str(folder))).page)


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Two chunks of some photos that are there, one that has gone, and two bad ones."""
    files = photos(tmp_path / "in", [f"{i}.jpg" for i in range(6)])
    rows = [Row(f"file:{file}", LABELS[i % 3], 0.3 + i / 10) for i, file in enumerate(files)]
    bad = [
        Row(f"file:{tmp_path}/in/cut.jpg", status="truncated", error="JPEG is cut off after 812 bytes"),
        Row(f"file:{tmp_path}/in/cut2.jpg", status="truncated", error="JPEG is cut off after 1,204 bytes"),
    ]
    gone = Row(f"file:{tmp_path}/in/gone.jpg", "daisy", 0.99)
    return output(tmp_path / "scored", tmp_path / "in", [rows, [gone, *bad]])


# --- what it says


def test_names_break_behind_their_signs_and_reasons_keep_their_formats_name(
    registry: Registry, tmp_path: Path
) -> None:
    said = "JPEG 2000 is cut off after {} bytes"
    bad = [
        Row(f"file:{tmp_path}/<b>a_b.jp2", status="truncated", error=said.format(size)) for size in (90, 812)
    ]
    page = reported.made(registry, Folder(str(output(tmp_path / "out", tmp_path, [bad])))).page
    assert page.count("JPEG 2000 is cut off after N bytes") == 1
    assert "/<wbr>&lt;b&gt;a_<wbr>b.<wbr>jp2" in page


def test_a_page_says_what_ran_and_what_came_out(registry: Registry, scored: Path) -> None:
    text = " ".join(" ".join(page_of(registry, scored).text).split())
    for said in (
        "flowers version 3",
        "models:/flowers/3, asked for as models:/flowers/Production",
        "2 of 9 photos have none",
        "JPEG is cut off after N bytes",
        "espresso",
        "option top_k 5",
        "the job has not finished",
        "1 of those shown cannot be read from here any more",
    ):
        assert said in text


def test_a_page_of_an_output_that_grows_says_what_is_there(registry: Registry, scored: Path) -> None:
    before = page_of(registry, scored).text
    add_chunk(scored, 2, [Row("file:/elsewhere/x.jpg", "fig", 0.2)])
    after = page_of(registry, scored).text
    assert "9 photos are scored" in " ".join(before)
    assert "10 photos are scored" in " ".join(after)


def test_a_finished_output_says_so(registry: Registry, scored: Path) -> None:
    finished = {"through": 1, "rows": 9, "by_status": {"ok": 7}, "chunks": [], "run_id": ""}
    (scored / "_stagewright" / "finished-0001.json").write_text(json.dumps(finished))
    assert "the job is finished" in " ".join(page_of(registry, scored).text)


def test_an_output_without_a_row_has_a_page(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    text = " ".join(page_of(registry, output(tmp_path / "scored", tmp_path / "in", [])).text)
    assert "There is no row yet" in text


def test_counts_do_not_depend_on_how_rows_are_cut_into_files(tmp_path: Path) -> None:
    rows = [Row(f"{i}", LABELS[i % 5], i / 1000) for i in range(1000)]
    cut = output(tmp_path / "a", tmp_path, [rows[i : i + 7] for i in range(0, 1000, 7)])
    whole = output(tmp_path / "b", tmp_path, [rows])
    a, b = (gathered(Folder(str(f)), [p.name for p in f.glob("*.parquet")]) for f in (cut, whole))
    assert (a.count, a.by_status, a.by_label, a.confidence) == (
        b.count,
        b.by_status,
        b.by_label,
        b.confidence,
    )
    assert sum(a.confidence) == 1000
    assert set(a.confidence) <= {49, 50, 51}  # a score in float32 may lie beside its edge
    assert [photo.key for photo in a.least_confident] == [f"{i}" for i in range(12)]
    assert a.least_confident == b.least_confident


def test_the_sample_of_an_output_is_the_same_each_time(scored: Path) -> None:
    names = [path.name for path in scored.glob("*.parquet")]
    assert gathered(Folder(str(scored)), names) == gathered(Folder(str(scored)), reversed(names))


def test_the_sample_is_drawn_from_all_rows_alike() -> None:
    drawn = []
    for seed in range(200):
        kept = Lowest[int](10)
        random = np.random.default_rng(seed)
        for start in range(0, 100, 20):
            kept.offer(random.random(20), lambda i, start=start: start + i)  # type: ignore[misc]
        drawn += kept.rows
    counts = np.bincount(drawn, minlength=100)
    assert counts.sum() == 2000
    assert counts.min() > 5
    assert counts.max() < 45


# --- how long it took


def test_times_say_how_busy_the_cores_were_and_leave_pauses_out() -> None:
    first = [Chunk(100, 0, 10, 1, "a"), Chunk(100, 0, 10, 1, "a"), Chunk(100, 10, 20, 1, "a")]
    later = [Chunk(50, 10_000, 10_010, 1, "b")]
    found = times([*later, *first], {"a": -5.0})
    a, b = found.commands
    assert (a.rows, a.span_s, a.at_once, a.ready_s, b.ready_s) == (300, 20, 2, 5.0, None)
    assert a.busy == pytest.approx(0.75)
    assert a.writing == pytest.approx(0.1)
    assert found.points[0][1] == pytest.approx(20)
    assert found.points[-1][1] == pytest.approx(5)
    assert found.points[-1][0] < 30
    width = 30 / len(found.points)
    assert sum(rate * width for _, rate in found.points) == pytest.approx(350)


# --- what it shows


def test_photos_are_small_pictures_in_the_page_itself(registry: Registry, scored: Path) -> None:
    pictures = page_of(registry, scored).all("img")
    assert len({each["alt"] for each in pictures}) == 6
    for each in pictures:
        kind, _, data = str(each["src"]).partition(",")
        assert kind == "data:image/jpeg;base64"
        made = Image.open(io.BytesIO(base64.b64decode(data)))
        assert max(made.size) == 168
        assert not made.getexif()


def test_only_photos_of_the_input_that_were_read_well_are_opened(registry: Registry, tmp_path: Path) -> None:
    secret, inner = photos(tmp_path / "elsewhere", ["secret.jpg", "inner.jpg"])
    source = tmp_path / "in"
    source.mkdir()
    (source / "link.jpg").symlink_to(secret)
    (source / "cut.jpg").write_bytes(inner.read_bytes())
    (source / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    keys = [secret, source / "../elsewhere/secret.jpg", source / "link.jpg", source / "bomb.png"]
    rows = [Row(f"file:{key}") for key in keys]
    rows.append(Row(f"file:{source}/cut.jpg", status="crashed", error="the reader crashed"))
    assert page_of(registry, output(tmp_path / "scored", source, [rows])).all("img") == []


def test_a_table_s_photos_are_said_not_to_be_shown(registry: Registry, tmp_path: Path) -> None:
    source = {"path": "photos.parquet", "format": "parquet", "follow_links": False}
    folder = output(tmp_path / "scored", tmp_path, [[Row("17")]], source=source)
    assert "they came from a table" in " ".join(page_of(registry, folder).text)


# --- what it lets nobody do


@pytest.fixture
def hostile(registry: Registry, tmp_path: Path) -> str:
    """The page of an output whose photos, labels and reasons are of somebody who means ill."""
    files = photos(tmp_path / "in", HOSTILE)
    rows = [Row(f"file:{file}", name, 0.4) for file, name in zip(files, HOSTILE, strict=True)]
    rows += [Row(name, status="truncated", error=name) for name in HOSTILE]
    rows.append(Row("odd", status="<script>alert(1)</script>"))
    folder = output(tmp_path / "scored", tmp_path / "in", [rows], requested="models:/<svg onload=x>/1")
    return reported.made(registry, Folder(str(folder))).page


def test_what_others_named_is_text(hostile: str) -> None:
    page = Page(hostile)
    text = "".join(page.text)
    assert page.all("script", "iframe", "object", "link", "base", "form") == []
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<img src=x onerror=alert(1)>\"'.jpg" in text
    assert "photo\\u202egnp.exe.jpg" in text
    assert "two\\nlines\\t.jpg" in text
    assert "{{ 7 * 7 }}" in text
    assert "\u202e" not in hostile


def test_nothing_is_loaded_from_anywhere(hostile: str) -> None:
    page = Page(hostile)
    [policy] = [meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    addresses = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in _ADDRESSES
    ]
    assert addresses
    assert {str(address).partition(":")[0][:1] for address in addresses} <= {"#", "d"}
    assert "url(" not in hostile
    assert "@import" not in hostile


_ADDRESSES = ("src", "href", "xlink:href", "srcset", "action", "data")


def test_a_page_is_in_order_for_those_who_do_not_see_it(hostile: str) -> None:
    page = Page(hostile)
    headings = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in page.all("svg"))
    assert all(cell.get("scope") for cell in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(link["href"])[1:] for link in page.all("a")}
    assert targets <= set(ids)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("photo.jpg", "photo.jpg"),
        ("a\u202eb\u200bc\x1b[31m", "a\\u202eb\\u200bc\\x1b[31m"),
        ("a\r\nb\0", "a\\r\\nb\\x00"),
        ("\ud800", "\\ud800"),
        ("\u0645\u0631 caf\u00e9 \U0001f600", "\u0645\u0631 caf\u00e9 \U0001f600"),
    ],
)
def test_what_is_not_seen_is_shown(text: str, seen: str) -> None:
    assert shown(text) == seen


def test_what_is_long_keeps_its_beginning_and_its_end() -> None:
    found = shown("begin" + "x" * 10_000 + "end.jpg", 40)
    assert len(found) == 40
    assert found.startswith("begin")
    assert found.endswith("end.jpg")


def test_charts_have_no_script_and_no_style_and_are_the_same_each_day() -> None:
    series = {"<script>x</script>": [1.0, 2.0], "then": [2.0, 1.0]}
    drawn = drawing.bars("b", 'says "so"', ["<b>", "c"], series)
    tree = ElementTree.fromstring(str(drawn))
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert not tags & {"script", "style", "title", "desc", "a"}
    assert "<script>x</script>" in "".join(tree.itertext())
    assert "pygal.org" not in drawn
    assert "20" not in "".join(tree.itertext())


# --- the command


def test_the_command_writes_the_page_beside_the_record(scored: Path, tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/no-registry"
    done = CliRunner().invoke(cli, ["report", str(scored), "--json"], env={"MLFLOW_TRACKING_URI": uri})
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert Path(said["report"]) == scored / "_stagewright" / "report.html"
    assert Path(said["report"]).stat().st_size == said["bytes"]
    visible = {path.name for path in scored.iterdir() if not path.name.startswith("_")}
    assert visible == {path.name for path in scored.glob("part-*.parquet")}


def test_the_command_writes_the_page_where_it_is_told(
    registry: Registry, scored: Path, tmp_path: Path
) -> None:
    made = reports.report(registry, str(scored), str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text() == made.page
    assert not (scored / "_stagewright" / "report.html").exists()


def test_what_is_no_output_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no output of a scoring job.*and no id of a run") as refused:
        reports.report(registry, str(tmp_path))
    assert exit_code(refused.value) == 2


def test_a_place_where_no_page_can_be_is_refused(registry: Registry, scored: Path) -> None:
    with pytest.raises(InputError, match="cannot be written to '/nowhere"):
        reports.report(registry, str(scored), "/nowhere/x.html")


def test_an_output_that_is_damaged_is_refused(registry: Registry, scored: Path) -> None:
    (scored / "part-0001-000009-0a1b2c3d.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        reports.report(registry, str(scored))

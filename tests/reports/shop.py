"""A shop's photos, a registry with three versions and the runs of its jobs, made up without Spark, to look at pages.

The photos are parts of free ones that scikit-image and scikit-learn carry.
"""

import importlib.resources
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from PIL import Image

from jobs.comparison import reported as of_comparison
from jobs.evaluation import kept as of_evaluation
from jobs.evaluation import metrics
from jobs.evaluation.measure import Truth
from jobs.evaluation.of_classifier import MEASURE
from jobs.scoring import reported
from jobs.scoring.place.stores import Folder
from jobs.scoring.sources import Source
from registry import JobKind, Outcome, Registry
from registry.tags import ARCHITECTURE, KIND, MODEL_DIGEST, RUN_JOB
from tests.conftest import copy_registry
from tests.reports.made_up import Row, output

# What the photos show, where they are from, and what one could take them for.
SHOWN = {
    "cat": ("skimage", "data/chelsea.png", "fox"),
    "coffee": ("skimage", "data/coffee.png", "tea"),
    "person": ("skimage", "data/astronaut.png", "statue"),
    "motorcycle": ("skimage", "data/motorcycle_left.png", "bicycle"),
    "rocket": ("skimage", "data/rocket.jpg", "lighthouse"),
    "temple": ("sklearn", "datasets/images/china.jpg", "house"),
    "flower": ("sklearn", "datasets/images/flower.jpg", "fruit"),
}
LABELS = sorted({*SHOWN, *(other for _, _, other in SHOWN.values())})
EACH = 9


@dataclass(frozen=True)
class Shop:
    """`folder` holds all of it; the pages of three jobs and these jobs' runs, by name."""

    folder: Path
    registry: Registry
    pages: dict[str, Path]
    runs: dict[str, str]


def photos(folder: Path) -> list[tuple[str, str]]:
    """Photos and what they show: nine parts of each, of different shapes."""
    folder.mkdir()
    random = np.random.default_rng(5)
    found = []
    for what, (package, name, _) in SHOWN.items():
        with importlib.resources.files(package).joinpath(name).open("rb") as file:
            whole = Image.open(file).convert("RGB")
        for i in range(EACH):
            part = whole.crop(_part(whole.size, random))
            part.save(folder / f"{what}-{i}.jpg", quality=85)
            found.append((f"{what}-{i}.jpg", what))
    return found


def _part(size: tuple[int, int], random: np.random.Generator) -> tuple[int, int, int, int]:
    share = random.uniform(0.62, 1.0, 2)
    width, height = (int(side * part) for side, part in zip(size, share, strict=True))
    left, top = int(random.integers(0, size[0] - width + 1)), int(random.integers(0, size[1] - height + 1))
    return left, top, left + width, top + height


def build(folder: Path, registry_template: Path) -> Shop:
    """Scored twice, evaluated and compared, each by what jobs make their pages with."""
    (folder / "registry").mkdir()
    registry = Registry(
        copy_registry(registry_template, folder / "registry", (folder / "artifacts").as_uri())
    )
    _register(registry, (folder / "artifacts").as_uri())
    known = photos(folder / "photos")
    made = {
        "report": _scored(registry, folder, known),
        "evaluation": _evaluated(registry, folder, known),
        "comparison": _compared(registry, folder, known),
    }
    pages = {name: _elsewhere(folder, name, page) for name, (page, _) in made.items()}
    return Shop(folder, registry, pages, {name: run_id for name, (_, run_id) in made.items()})


def _register(registry: Registry, artifacts: str) -> None:
    client = MlflowClient(str(registry.address.tracking_uri), str(registry.address.registry_uri))
    client.create_registered_model("flowers")
    tags = {KIND: "classifier", ARCHITECTURE: "torchvision:resnet50", "team": "search"}
    for number in (1, 2, 3):
        tags[MODEL_DIGEST] = f"{number}a" * 32
        client.create_model_version("flowers", artifacts, tags=tags)
    client.transition_model_version_stage("flowers", "3", "Production")


def _scored(registry: Registry, folder: Path, known: list[tuple[str, str]]) -> tuple[str, str]:
    """The page of the second of two jobs: the shop has more rockets now, and one photo is cut off."""
    version = registry.resolve("models:/flowers/Production")
    page = run_id = ""
    rockets = [each for each in known if each[1] == "rocket"]
    monday = [each for i, each in enumerate(known) if i % 2 and each not in rockets]
    tuesday = [*rockets, *(each for i, each in enumerate(known) if i % 2 == 0 and each not in rockets)]
    for night, some in (("monday", [*monday, rockets[0]]), ("tuesday", tuesday)):
        said = {"requested": "models:/flowers/Production", "output": str(folder / night)}
        said[RUN_JOB] = JobKind.SCORING
        run_id = registry.start_run("nights", f"score {night}", said, version)
        rows = list(_rows(folder, some, night))
        cut = [
            Row(
                f"file:{folder}/photos/cut-off.jpg",
                status="truncated",
                error="JPEG is cut off after 812 bytes",
            )
        ]
        chunks = [rows[:10], rows[10:20], [*rows[20:], *(cut if night == "tuesday" else [])]]
        store = Folder(str(output(folder / night, folder / "photos", chunks, run_id=run_id, took_s=0.21)))
        finished = {"through": 1, "rows": len(rows), "by_status": {}, "chunks": [], "run_id": run_id}
        store.put("_stagewright/finished-0001.json", json.dumps(finished).encode())
        reported.keep(registry, store, run_id, _fail)
        page = (folder / night / "_stagewright" / "report.html").read_text()
        registry.finish_run(run_id, Outcome())
    return page, run_id


def _rows(folder: Path, some: list[tuple[str, str]], night: str) -> Iterator[Row]:
    random = np.random.default_rng(len(night))
    for name, what in some:
        right = random.random() < 0.85
        score = float(random.beta(9, 1.5) if right else random.beta(3, 4))
        yield Row(f"file:{folder}/photos/{name}", what if right else SHOWN[what][2], score)


def _evaluated(registry: Registry, folder: Path, known: list[tuple[str, str]]) -> tuple[str, str]:
    version = registry.resolve("models:/flowers/3")
    rows = list(_rows(folder, known, "evaluation"))
    found = pd.DataFrame(
        {
            "file": [name for name, _ in known],
            "class_index": [LABELS.index(what) for _, what in known],
            "predicted_index": [LABELS.index(str(row.label)) for row in rows],
            "score": [row.score for row in rows],
            "in_top5": True,
            "status": "ok",
            "error": None,
        }
    )
    figures = metrics.figures(found, metrics.by_class(found, LABELS))
    said = {"requested": "models:/flowers/3", "images": str(folder / "photos"), "labels": "truth.csv"}
    said |= {"dataset": "shop", "dataset_digest": "5e" * 32, "precision": "f32", RUN_JOB: JobKind.EVALUATION}
    run_id = registry.start_run("nights", "evaluate flowers 3 on shop", said, version)
    run = registry.run(run_id).once_said(Outcome(metrics=figures))
    of_evaluation.keep(registry, found, MEASURE, Truth(LABELS, {}), run, _fail)
    registry.finish_run(run_id, Outcome(metrics=figures))
    content = registry.run_file(run_id, "report.html", 10**8)
    assert content is not None
    return content.decode(), run_id


def _compared(registry: Registry, folder: Path, known: list[tuple[str, str]]) -> tuple[str, str]:
    rows = {side: list(_rows(folder, known, side * 7)) for side in ("a", "b" * 2)}
    a, b = rows.values()
    right = [[row.label == what for row, (_, what) in zip(some, known, strict=True)] for some in (a, b)]
    better, worse = (sum(x > y for x, y in zip(*pair, strict=True)) for pair in (right[::-1], right))
    agree = [x.label == y.label for x, y in zip(a, b, strict=True)]
    confidence = [float(np.mean([row.score for row in some])) for some in (a, b)]
    figures = {
        "photos": len(known), "agreement": np.mean(agree), "disagreements": len(known) - sum(agree),
        "confidence_a": confidence[0], "confidence_b": confidence[1], "confidence_shift": confidence[1] - confidence[0],
        "top1": np.mean(right[1]), "top1_against": np.mean(right[0]), "only_a_right": worse, "only_b_right": better,
        "mcnemar_p": metrics.mcnemar_p(better, worse),
    }  # fmt: skip
    said = {"requested": "models:/flowers/3", "against": "models:/flowers/2", RUN_JOB: JobKind.COMPARISON}
    said |= {"input": str(folder / "photos"), "output": str(folder / "compared"), "dataset_digest": "5e" * 32}
    run_id = registry.start_run("nights", "compare", said, registry.resolve("models:/flowers/3"))
    run = registry.run(run_id).once_said(
        Outcome(metrics={name: float(value) for name, value in figures.items()})
    )
    _write(folder / "compared", run_id, known, a, b)
    of_comparison.keep(registry, run, Source(said["input"]), _fail)
    registry.finish_run(run_id, Outcome(metrics=run.metrics))
    return (folder / "compared" / "_stagewright" / "report.html").read_text(), run_id


def _write(folder: Path, run_id: str, known: list[tuple[str, str]], a: list[Row], b: list[Row]) -> None:
    folder.mkdir()
    sides = {side: [_answer(row) for row in some] for side, some in (("a", a), ("b", b))}
    table = {
        "path": [row.key for row in a],
        **sides,
        "agree": [x.label == y.label for x, y in zip(a, b, strict=True)],
        "class_index": [LABELS.index(what) for _, what in known],
        "comparison_run_id": [run_id] * len(known),
    }
    pq.write_table(pa.table(table), folder / "part-0.parquet")


def _answer(row: Row) -> dict[str, object]:
    index = LABELS.index(str(row.label))
    return {"label": row.label, "class_index": index, "score": row.score, "status": "ok", "error": None}


def _fail(line: str) -> None:
    raise AssertionError(line)


def _elsewhere(folder: Path, name: str, page: str) -> Path:
    """The same page, as if the shop were in /data: pictures of it are shown to others."""
    there = folder / "pages"
    there.mkdir(exist_ok=True)
    here = page.replace(str(folder), "/data").replace(f"<bdi>{platform.node()}</bdi>", "<bdi>worker-1</bdi>")
    (there / f"{name}.html").write_text(here)
    return there / f"{name}.html"

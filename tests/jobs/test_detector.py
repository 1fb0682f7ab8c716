"""A detector in a job: what is found comes out as an array of structs, and the job goes on where it stopped."""

import json
from pathlib import Path

from PIL import Image
from pyspark.sql import functions as F

from jobs.cli import main
from pyfunc_models.packaging import PackageOptions, package
from registry import Registry
from tests.pyfunc_models.test_detector import LABELS, SIZE, detections, ssd


def test_a_detector_is_scored_and_what_has_no_figure_for_it_says_so(
    spark, fixture, tmp_path: Path, capsys
) -> None:
    model = package(ssd(), SIZE, LABELS, into=tmp_path / "model", options=PackageOptions(kind="detector"))
    Registry().register(model, "things", {})
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        Image.effect_noise((192, 256), 60 + number).convert("RGB").save(photos / f"{number}.png")
    (photos / "empty.jpg").touch()
    asked = ["score", "models:/things/1", "--input", str(photos), "--output", str(tmp_path / "found")]
    assert main([*asked, "--max-error-rate", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_status"] == {"ok": 3, "empty": 1}
    rows = spark.read.parquet(str(tmp_path / "found"))
    fields = "label:string,score:float,xmax:float,xmin:float,ymax:float,ymin:float"
    found = rows.schema["prediction"].dataType.simpleString()
    assert {*found.removeprefix("struct<detections:array<struct<").removesuffix(">>>").split(",")} == {
        *fields.split(",")
    }
    one = rows.where("path like '%/1.png'").select(F.explode("prediction.detections").alias("found"))
    by_hand = detections(model, [(photos / "1.png").read_bytes()])["detections"][0]
    assert [row.label for row in one.select("found.label").collect()] == [each["label"] for each in by_hand]
    assert one.agg(F.max("found.xmax")).first()[0] > 96
    assert rows.where("status = 'empty' and prediction is null").count() == 1
    for command in (
        ["evaluate", "models:/things/1", "--images", str(photos), "--labels", "none.csv"],
        ["compare", "models:/things/1", "models:/things/1", "--input", str(photos), "--output", "none"],
    ):
        assert main(command) == 2
        [line] = [line for line in capsys.readouterr().err.splitlines() if "of kind 'detector'" in line]
        assert "only" in line

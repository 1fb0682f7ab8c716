"""What one process of one contender is asked to do, as a JSON file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

# The model under test in the registry.
MODEL = "bench"
URI = f"models:/{MODEL}/Production"


@dataclass(frozen=True, slots=True)
class Workload:
    """Score every photo in `photos` with `network` on `cores` cores, and write `path` and `label` to `output`.

    `photos` is a folder of JPEGs, or a table of another `format`. `weights` is a state_dict, `pyfunc` a plain
    PythonModel's folder, `registry` the URI that has `MODEL`. `output` is a folder of Parquet that does not exist
    yet. `conf` are settings of Spark.
    """

    network: str
    photos: str
    weights: str
    pyfunc: str
    registry: str
    output: str
    format: str = "images"
    cores: int = 2
    precision: str = "f32"
    conf: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, path: Path) -> "Workload":
        """What `write` wrote."""
        return cls(**json.loads(path.read_text()))

    @property
    def asked(self) -> dict[str, str]:
        """What stagewright's model is called with; what is not asked for is left to the model."""
        return {"precision": self.precision}

    def files(self) -> list[Path]:
        """The photos, by name."""
        return sorted(Path(self.photos).iterdir())

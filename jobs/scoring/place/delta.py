"""A Delta table: workers write its Parquet files, and the driver enters them into its log, by delta-rs, without a jar.

Each commit is remembered before it is made, with its number, and made with that number as the job's transaction in the
table. So a command that goes on knows of each whether it was made, whatever has become of the files since.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ...errors import InputError
from .counting import said_by
from .notes import read_json
from .stores import PRIVATE, Store

if TYPE_CHECKING:
    from deltalake import DeltaTable

FORMAT = "delta"
_COMMITS = f"{PRIVATE}/commits"


class Commits:
    """Those of one job in the table at a store."""

    def __init__(self, store: Store, job: str) -> None:
        self._store = store
        self._job = job
        self._made: dict[int, list[dict[str, Any]]] | None = None

    def create(self, schema: pa.Schema) -> None:
        """The table, empty, if it is not there. Raises InputError on a column that no Delta table can have."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            nullable = pa.schema([field.with_nullable(True) for field in schema])
            DeltaTable.create(self._store.root, nullable, mode="ignore")
        except (DeltaError, ValueError) as error:
            raise InputError(f"Predictions cannot be kept in a Delta table: {error}. Try parquet.") from error

    def exists(self) -> bool:
        """Whether there is a table."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self._store.root)

    def told(self) -> dict[str, dict[str, Any]]:
        """What the files said that have been entered, by name; some of them may be gone since."""
        return {file["name"]: file for files in self._all().values() for file in files}

    def enter(self, names: Iterable[str], told: Mapping[str, dict[str, Any]]) -> None:
        """Files that are there, into the table; those that have been entered before are passed over."""
        if self._made is None:
            self.complete()
        new = sorted(set(names) - self.told().keys())
        if not new:
            return
        number = max(self._all(), default=0) + 1
        unknown = [name for name in new if "bytes" not in told.get(name, {})]
        said = {**told, **dict(zip(unknown, said_by(self._store, unknown), strict=True))}
        files = [{**said[name], "name": name, "bytes": self._store.size(name)} for name in new]
        self._store.put(_name(number), json.dumps({"number": number, "files": files}).encode())
        self._made = None  # until it is known to be made
        self._make(number, files)

    def complete(self) -> None:
        """Make the commit that was remembered and not made."""
        made = self._table().transaction_version(self._job) or 0
        for number in sorted(self._all()):
            if number > made:
                self._make(number, self._all()[number])

    def _all(self) -> dict[int, list[dict[str, Any]]]:
        if self._made is None:
            found = [read_json(self._store, f"{_COMMITS}/{name}") for name in self._store.names(_COMMITS)]
            self._made = {each["number"]: each["files"] for each in found}
        return self._made

    def _make(self, number: int, files: Sequence[dict[str, Any]]) -> None:
        from deltalake import CommitProperties, Transaction
        from deltalake.transaction import AddAction, RemoveAction

        now = int(time.time() * 1000)
        added: list[AddAction | RemoveAction] = [
            AddAction(file["name"], file["bytes"], {}, now, True, json.dumps({"numRecords": file["rows"]}))
            for file in files
        ]
        table = self._table()
        table.create_write_transaction(
            added,
            mode="append",
            schema=table.schema(),
            commit_properties=CommitProperties(app_transactions=[Transaction(self._job, number)]),
        )

    def _table(self) -> "DeltaTable":
        from deltalake import DeltaTable

        return DeltaTable(self._store.root)


def _name(number: int) -> str:
    return f"{_COMMITS}/{number:06d}.json"


def files(store: Store) -> list[str]:
    """The names of the Parquet files that the table at a store is made of now; none where there is no table."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(store.root):
        return []
    found: list[str] = pa.table(DeltaTable(store.root).get_add_actions()).column("path").to_pylist()
    return found


def is_installed() -> bool:
    """Whether delta-rs is there."""
    from importlib.util import find_spec

    return find_spec("deltalake") is not None

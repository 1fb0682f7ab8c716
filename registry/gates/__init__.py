"""What a stage asks of a version before it may stand there: declared in a file, judged from the version's tags."""

from registry.gates.gate import FOUND_CHARS, LEDGER_CHARS, Finding, Gate, Judges
from registry.gates.reading import Gates

__all__ = ["FOUND_CHARS", "LEDGER_CHARS", "Finding", "Gate", "Gates", "Judges"]

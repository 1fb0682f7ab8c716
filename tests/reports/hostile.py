"""Each kind of page as it is where everything that others may name is of somebody who means ill."""

from collections.abc import Callable
from pathlib import Path

from jobs.reporting.cards import Answer, Card
from jobs.reporting.comparison_page import Change, Compared, Side, comparison_page
from jobs.reporting.evaluation_page import Bin, Evaluated, Matrix, OfClass, Pair, evaluation_page
from jobs.reporting.gathering import BINS, Photo, gathered
from jobs.reporting.scoring_page import ScoringJob, scoring_page
from jobs.reporting.timing import Chunk, times
from jobs.scoring.place.stores import Folder
from tests.reports.made_up import Row, output

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
# Names of files, of classes, of models and of tags, and words of errors.
NAMES = (
    "<script>document.title = 'taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "' onmouseover='document.title=1' {{ 7 * 7 }} {% raw %} &lt;b&gt; --> ]]> </style></title>",
    "photo\u202egnp.exe \u2066\u200b\u00ad\ufeff",
    "two\nlines\r\n\t\0\x1b[31m\u2028",
    "x" * 4000,
    "\u0e01\u0e33" * 2000,
    "Z\u0351\u036b\u0343" * 1000,
    "\u0645\u0631\u062d\u0628\u0627 .jpg",
)
FACTS = [(name, name) for name in NAMES]
PICTURES = dict.fromkeys(NAMES, PIXEL)
BAD = [Photo(name, name, error=name) for name in NAMES]


def of_a_job(folder: Path) -> str:
    """HTML."""
    rows = [Row(name, name, 0.4) for name in NAMES]
    rows += [Row(name, None, None, status="truncated", error=name) for name in NAMES]
    made = output(folder / "scored", folder, [rows])
    return scoring_page(
        ScoringJob(
            title=NAMES[0],
            stage=NAMES[5],
            facts=FACTS,
            finished=True,
            planned=None,
            rows=gathered(Folder(str(made)), [path.name for path in made.glob("*.parquet")]),
            times=times([Chunk(18, 0, 10, 1, NAMES[5])], {}),
            pictures=PICTURES,
            no_pictures=NAMES[1],
        )
    )


def of_an_evaluation(folder: Path) -> str:
    """HTML."""
    figures = dict.fromkeys(("top1", "top1_low", "top1_high", "top5", "mean_class_accuracy"), 0.5)
    figures |= {"photos": 9.0, "worst_class_accuracy": 0.0, "ece": 0.1, "mean_confidence": 0.6}
    return evaluation_page(
        Evaluated(
            title=NAMES[0],
            facts=FACTS,
            metrics=figures,
            by_status=dict.fromkeys(NAMES, 1),
            matrix=Matrix(NAMES, [[1] * len(NAMES)] * len(NAMES)),
            pairs=[Pair(name, name, 1) for name in NAMES],
            all_pairs=len(NAMES),
            classes=[OfClass(name, 2, 1) for name in NAMES],
            all_classes=len(NAMES),
            bins=[Bin(0.6, 0.5, 2)],
            mistakes=[
                Card(name, name, [Answer("answered", name, 0.7), Answer("labelled", name)]) for name in NAMES
            ],
            bad=BAD,
            pictures=PICTURES,
            no_pictures=NAMES[1],
        )
    )


def of_a_comparison(folder: Path) -> str:
    """HTML."""
    figures = dict.fromkeys(("agreement", "confidence_a", "confidence_b", "confidence_shift"), 0.5)
    figures |= {"photos": 9.0, "disagreements": 4.0}
    confidence = (1,) * BINS
    cards = [Card(name, name, [Answer("a", name, 0.7), Answer("b", name, 0.6)]) for name in NAMES]
    return comparison_page(
        Compared(
            title=NAMES[0],
            facts=FACTS,
            metrics=figures,
            a=Side(NAMES[0], dict.fromkeys(NAMES, 1), confidence),
            b=Side(NAMES[5], dict.fromkeys(NAMES, 1), confidence),
            cards=cards,
            one_sided=cards,
            changes=[Change(name, name, 1) for name in NAMES],
            all_changes=len(NAMES),
            pictures=PICTURES,
            no_pictures=NAMES[1],
        )
    )


PAGES: dict[str, Callable[[Path], str]] = {
    "job": of_a_job,
    "evaluation": of_an_evaluation,
    "comparison": of_a_comparison,
}

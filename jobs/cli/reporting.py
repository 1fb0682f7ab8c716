"""The command that makes a job's page again."""

import click

from registry import Registry

from .shared import AS_JSON, answer


@click.command()
@click.argument("output", metavar="OUTPUT|RUN")
@click.option("--into", metavar="FILE", help="Write the page there (default: beside the output's record).")
@AS_JSON
def report(output: str, into: str | None, as_json: bool) -> None:
    """Make the page of a job again: of an output, also while it grows, or of a run of any job."""
    from .. import reports

    made = reports.report(Registry(), output, into)
    document = {"report": made.at, "output": made.output, "bytes": len(made.page.encode())}
    answer(document, [made.at], as_json)


COMMANDS = (report,)

"""MkDocs' hook: notebooks as pages of the site. In the repository they stay notebooks, and so do links to them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Each notebook becomes a page, and can still be taken whole."""
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        page = file.src_uri.removesuffix(".ipynb") + ".md"
        notebook = json.loads(Path(str(file.abs_src_path)).read_text())
        files.append(File.generated(config, page, content="\n\n".join(_parts(notebook, file.name))))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to notebooks lead to their pages, but for the one by which a page gives its notebook."""
    return re.sub(r"(\]\((?!\./)[^)\s]*)\.ipynb\)", r"\1.md)", markdown)


def _parts(notebook: dict[str, Any], name: str) -> Iterator[str]:
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
    yield f"[This page as a notebook](./{name}.ipynb)"

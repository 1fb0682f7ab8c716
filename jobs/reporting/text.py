"""Text of others on a page: names of files, labels and reasons say what they are, and do nothing."""

import re
import unicodedata

from markupsafe import Markup

LONGEST = 160
# Characters that are not seen, or that change how others are seen: controls, bidi marks, line ends, unassigned.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def shown(text: object, most: int = LONGEST) -> str:
    """One line of visible characters, at most `most`; what is not seen is written as an escape, such as `\\u202e`."""
    visible = "".join(map(_visible, str(text)[: 4 * most] if most < len(str(text)) else str(text)))
    return visible if len(visible) <= most else _shortened(str(text), visible, most)


def breakable(text: str) -> Markup:
    """The same, escaped, which breaks behind the signs that names are made of sooner than within a word."""
    return Markup("<wbr>").join(re.split(r"(?<=[._/-])", text))


def _shortened(text: str, visible: str, most: int) -> str:
    """The beginning and the end, which tell files apart."""
    end = "".join(map(_visible, text[-(most // 2) :]))[-(most // 2) :]
    return f"{visible[: most - len(end) - 1]}…{end}"


def _visible(char: str) -> str:
    if unicodedata.category(char) not in _UNSEEN:
        return char
    return char.encode("unicode_escape").decode("ascii")

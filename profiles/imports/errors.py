"""What is wrong with a file or its mapping, and where."""

from __future__ import annotations

from dataclasses import dataclass

from cdp.runs import RefusedError


class ImportFileError(RefusedError):
    """Nothing was taken from the file; the text names the place and the way out."""


class SourceDisabledError(ImportFileError):
    """Nothing is wrong with the file: it may come again when its source is enabled."""


@dataclass(frozen=True)
class MappingProblem:
    """What is wrong with a mapping: `path` is the place in its JSON, such as `traits.Points.type`; "" is the whole.

    `column`: it is the file that does not fit, with this column, which it `lacks` or has more than once.
    """

    path: str
    message: str
    column: str = ""
    lacks: bool = False

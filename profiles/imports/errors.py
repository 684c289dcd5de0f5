"""What is wrong with a file or its mapping, and where."""

from __future__ import annotations

from cdp.runs import RefusedError


class ImportFileError(RefusedError):
    """Nothing was taken from the file; the text names the place and the way out."""

"""What the operating system says of files, for people: it speaks English alone."""

from __future__ import annotations

from errno import EACCES, EDQUOT, EIO, EISDIR, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: dict[int, Promise] = {
    ENOENT: _("it is not there"),
    EACCES: _("the server has no right to it"),
    EPERM: _("the server has no right to it"),
    ENOSPC: _("the disk is full"),
    EDQUOT: _("the disk is full"),
    ENOTDIR: _("it is not a folder"),
    EISDIR: _("it is a folder"),
    EROFS: _("the disk cannot be written to"),
    EIO: _("the disk does not answer"),
}


def in_words(error: OSError) -> str:
    """Why, in the active language as far as that is known; without the path, which is nobody's concern."""
    known = WORDS.get(error.errno or 0)
    return str(known or error.strerror or error)

"""Who sees personal data, and what the rest see of text that may hold some: the error and the counts of a run.

Apps above mask what they know to be personal (profiles/masking.py). What made a run fail may quote anything: a cell of
a file, a row that PostgreSQL names. So it is hidden whole. Of the lines where something was wrong the numbers are left.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from cdp.models import Run, User

VIEW_PII = "profiles.view_pii"
Viewer = User | AnonymousUser
Counts = Mapping[str, int | list[str]]  # numbers, and such lists as "2: Phone"


def may_see_pii(user: Viewer) -> bool:
    return user.is_active and user.has_perm(VIEW_PII)


def shown_error(run: Run, user: Viewer) -> str:
    """Why the run failed, as this user may read it; empty where it did not."""
    return shown_reason(run.error, user)


def shown_reason(reason: str, user: Viewer) -> str:
    """The same of a reason that is kept elsewhere."""
    if not reason or may_see_pii(user):
        return reason
    return _("Details are hidden: they may hold personal data.")


def shown_counts(counts: Counts | None, user: Viewer) -> Counts | None:
    """What a run or an import counted, as this user may read it.

    Lines are named with the columns where something was wrong: a file without a header has people for columns.
    """
    if counts is None or may_see_pii(user):
        return counts
    return {
        name: [text.partition(":")[0] for text in found] if isinstance(found, list) else found
        for name, found in counts.items()
    }

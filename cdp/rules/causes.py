"""Why somebody entered or left."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Cause(models.TextChoices):
    """The cause of a change of membership, tag or standing."""

    DATA = "data", _("Data")
    TIME = "time", _("Time")
    RULE = "rule", _("Rule")
    CORRECTION = "correction", _("Correction")
    MERGE = "merge", _("Merge")
    SPLIT = "split", _("Split")
    MANUAL = "manual", _("By hand")
    IMPORT = "import", _("Import")
    ERASED = "erased", _("Erased")

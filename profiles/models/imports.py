"""Files that were taken in, how their columns are understood, and the folders that are watched for more."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Case, OuterRef, Q, Subquery, Value, When
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cdp.json_field import JsonField
from cdp.models import UNFINISHED, Run

TAKE_BACK = "take_back"  # the kind of the run that takes an import back
IMPORT_AGAIN = "import_again"  # of the run that takes in again the files that leaned on one that was taken back


class ImportMapping(models.Model):
    """A mapping kept under a name (docs/imports.md has its format), which can watch a folder for new files.

    `folder` is relative to `settings.IMPORT_FOLDER` and never leads out of it.
    """

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    source = models.ForeignKey(
        "profiles.Source", on_delete=models.PROTECT, related_name="import_mappings", verbose_name=_("source")
    )
    mapping = JsonField(_("mapping"))
    folder = models.CharField(
        _("watched folder"),
        max_length=200,
        blank=True,
        validators=[RegexValidator(r"^(?!\.)[^/\\\0]+(/(?!\.)[^/\\\0]+)*$", _("A folder below the import folder."))],
        help_text=_("Below the import folder of the installation, such as “till/members”."),
    )
    is_watching = models.BooleanField(
        _("watch the folder"), default=False, help_text=_("Each new file in the folder is imported once.")
    )
    watch_error = models.CharField(_("error of the watch"), max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("saved mapping")
        verbose_name_plural = _("saved mappings")
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_watching=False) | ~models.Q(folder=""), name="mapping_watches_a_folder"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ImportQuerySet(models.QuerySet["Import"]):
    def with_state(self) -> models.QuerySet[Any]:
        """Each with its `state`, one of `Import.State`; `state` can be filtered by then. `not_queued` is why a watched
        folder could not start it, None where it could, or was not asked to.
        """
        state = Import.State
        unread = ImportedFile.objects.filter(imported=OuterRef("pk")).exclude(error="").order_by("pk")
        return self.annotate(
            not_queued=Case(When(run__isnull=True, then=Subquery(unread.values("error")[:1]))),
            state=Case(
                When(taken_back_at__isnull=False, then=Value(state.TAKEN_BACK)),
                When(run__state__in=UNFINISHED, then=Value(state.RUNNING)),
                When(run__kind=TAKE_BACK, run__started_at__isnull=False, then=Value(state.PARTLY_TAKEN_BACK)),
                When(ended_at__isnull=False, then=Value(state.COMPLETE)),
                When(n_done__gt=0, then=Value(state.STOPPED)),
                When(Q(run__state=Run.State.FAILED) | Q(not_queued__isnull=False), then=Value(state.FAILED)),
                default=Value(state.DRAFT),
                output_field=models.CharField(),
            ),
        )

    def standing(self) -> Self:
        """Imports of which something was taken in, and nothing taken back."""
        return self.filter(n_done__gt=0, taken_back_at__isnull=True).exclude(run__in=_taking_back())

    def leaving(self) -> Self:
        """Imports of which some was taken back, or is just now, and the rest is still there."""
        return self.filter(taken_back_at__isnull=True, run__in=_taking_back())


def _taking_back() -> models.QuerySet[Run]:
    return Run.objects.filter(models.Q(state__in=UNFINISHED) | models.Q(started_at__isnull=False), kind=TAKE_BACK)


class Import(models.Model):
    """One file, taken in by one mapping. `run` is the latest run of it: a dry run, the import, or its taking back.

    `n_done` rows are in: the import goes on behind them after a crash or a cancellation. `counts` say what became of
    these rows, `dry_run_counts` what the last dry run expects; keys as in docs/imports.md. `totals` of the file are
    not known before it was read: `n_rows` is NULL until then.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Not started")
        RUNNING = "running", pgettext_lazy("of an import", "Under way")
        STOPPED = "stopped", _("Stopped half-way")
        FAILED = "failed", _("Failed")
        COMPLETE = "complete", _("Complete")
        PARTLY_TAKEN_BACK = "partly_taken_back", _("Taken back in part")
        TAKEN_BACK = "taken_back", _("Taken back")

    class Format(models.TextChoices):
        CSV = "csv", _("CSV")
        NDJSON = "ndjson", _("NDJSON")
        PARQUET = "parquet", _("Parquet")

    class Encoding(models.TextChoices):
        UTF_8 = "utf-8", _("UTF-8")
        GB18030 = "gb18030", _("GB18030 (also GBK, GB2312)")

    id = models.AutoField(primary_key=True)  # four bytes: every row that an import brings holds it
    file = models.FileField(_("file"), upload_to="imports/%Y/%m/", max_length=300)
    name = models.CharField(_("file name"), max_length=255)
    size = models.BigIntegerField(_("size"), help_text=_("Bytes."))
    sha256 = models.CharField(max_length=64, db_index=True)
    source = models.ForeignKey(
        "profiles.Source", on_delete=models.PROTECT, related_name="imports", verbose_name=_("source")
    )
    mapping = JsonField(_("mapping"), default=dict)
    saved_mapping = models.ForeignKey(
        ImportMapping, null=True, blank=True, on_delete=models.SET_NULL, related_name="imports",
        verbose_name=_("saved mapping"),
    )  # fmt: skip
    format = models.CharField(_("format"), max_length=7, choices=Format)
    encoding = models.CharField(_("encoding"), max_length=10, choices=Encoding, default=Encoding.UTF_8)
    delimiter = models.CharField(_("delimiter"), max_length=1, default=",")
    run = models.ForeignKey(
        "cdp.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("run")
    )
    n_rows = models.BigIntegerField(_("rows"), null=True)
    n_done = models.BigIntegerField(_("rows done"), default=0)
    counts = JsonField(_("counts"), default=dict)
    dry_run_counts = JsonField(_("counts of the dry run"), null=True)
    refused_size = models.BigIntegerField(default=0, db_default=0, help_text=_("Bytes."))
    refused_file = models.FileField(_("refused rows"), max_length=300, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        verbose_name=_("started by"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"))
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("all rows done"), null=True)
    taken_back_at = models.DateTimeField(_("taken back"), null=True)
    n_people_taken_back = models.BigIntegerField(default=0, db_default=0, editable=False)  # so far
    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        verbose_name=_("taken back by"),
    )  # fmt: skip

    objects = ImportQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["n_people_taken_back"], name="taken_back_so_far", condition=models.Q(n_people_taken_back__gt=0)
            )
        ]

    @property
    def has_taken_in(self) -> bool:
        """Whether there is a row that was not refused."""
        n_refused: int = self.counts.get("refused", 0)
        return self.n_done > n_refused

    def __str__(self) -> str:
        return f"#{self.pk}"  # without the name, which may hold what only some may see

    @property
    def is_running(self) -> bool:
        """Whether a run of it is queued or under way."""
        return self.run is not None and self.run.is_unfinished

    @property
    def is_partly_taken_back(self) -> bool:
        """Whether a taking back stopped half-way: some of what was taken in is gone, and the rest can only go too."""
        return (
            self.taken_back_at is None
            and not self.is_running
            and self.run is not None
            and self.run.kind == TAKE_BACK
            and self.run.started_at is not None
        )

    @property
    def is_complete(self) -> bool:
        return self.ended_at is not None


class ImportedFile(models.Model):
    """A file in a watched folder that was looked at: imported once for each content, left alone while it grows.

    `import_id` is NULL while the file is not quiet yet, or where it could not be read (`error`).
    """

    saved_mapping = models.ForeignKey(
        ImportMapping, on_delete=models.CASCADE, related_name="files", verbose_name=_("saved mapping")
    )
    name = models.CharField(_("file name"), max_length=255)
    size = models.BigIntegerField(_("size"))
    modified_at = models.DateTimeField(_("modified"))
    sha256 = models.CharField(max_length=64, blank=True)
    imported = models.ForeignKey(
        Import, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("import")
    )
    error = models.CharField(_("error"), max_length=500, blank=True)
    seen_at = models.DateTimeField(_("seen"))

    class Meta:
        verbose_name = _("file of a watched folder")
        verbose_name_plural = _("files of watched folders")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["saved_mapping", "name", "sha256"], name="imported_file_once")]

    def __str__(self) -> str:
        return self.name

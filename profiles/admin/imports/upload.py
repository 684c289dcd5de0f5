"""The first step: a file comes in, and becomes an import of which nothing is taken yet."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from cdp.admin.base import signed_in
from cdp.uploads import too_large
from profiles.admin.imports.file_step import facts_of_import
from profiles.imports.errors import ImportFileError
from profiles.models import Import, ImportMapping, Source
from profiles.services.imports import create_import
from profiles.services.saved_mappings import agreeing_mapping


class UploadForm(forms.Form):
    """A file, and where it comes from."""

    source = forms.ModelChoiceField(
        queryset=Source.objects.none(),
        label=_("Where does the file come from?"),
        help_text=_("What the file says counts as said by this source."),
        empty_label=_("Choose"),
        widget=UnfoldAdminSelectWidget,
    )
    saved_mapping = forms.ModelChoiceField(
        queryset=ImportMapping.objects.none(),
        required=False,
        label=_("Saved mapping"),
        help_text=_("Without a choice, one whose columns agree with the file is taken, else the columns are guessed."),
        empty_label=_("By its columns"),
        widget=UnfoldAdminSelectWidget,
    )
    file = forms.FileField(label=_("File"), error_messages={"empty": _("The file is empty.")})

    like = forms.ModelChoiceField(queryset=Import.objects.all(), required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """With `like`, an import whose refused rows come again, the columns are understood as in that one."""
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = importing_sources()  # type: ignore[attr-defined]
        self.fields["saved_mapping"].queryset = ImportMapping.objects.order_by("name")  # type: ignore[attr-defined]

    def clean_file(self) -> UploadedFile[Any]:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > settings.IMPORT_MAX_UPLOAD_BYTES:
            raise forms.ValidationError(too_large())
        return file


def importing_sources() -> Any:
    """The sources that a file can come from."""
    return Source.objects.filter(is_enabled=True).exclude(kind=Source.Kind.BUILT_IN).order_by("name")


def usual_source(request: HttpRequest) -> int | None:
    """Where the last file of this user came from, else of anybody; else a source of files, or the only one.

    None where it has to be chosen: what a file says of people would count as said by whichever stands first.
    """
    sources = importing_sources()
    imported = Import.objects.filter(source__in=sources).order_by("-pk").values_list("source", flat=True)
    last = imported.filter(user=signed_in(request)).first() or imported.first()
    of_files = sources.filter(kind=Source.Kind.FILE).values_list("pk", flat=True).first()
    return last or of_files or (sources.values_list("pk", flat=True).first() if sources.count() == 1 else None)


def upload_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the form; take a file. The page's script asks for JSON, so that it can show how far the upload is."""
    if request.method != "POST":
        return show(request, UploadForm(initial=initial_of(request)), context)
    form = UploadForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            made = create(request, form.cleaned_data)
        except ImportFileError as error:
            form.add_error("file", str(error))
        else:
            return sent_to(request, reverse("admin:profiles_import_file", args=[made.pk]))
    if asks_for_json(request):
        return JsonResponse({"errors": form.errors.get_json_data()}, status=400)
    return show(request, form, context)


def initial_of(request: HttpRequest) -> dict[str, Any]:
    """As the link that led here says: `mapping`, a saved one, or `like`, an import whose refused rows come again."""
    imported, saved = import_like(request.GET.get("like", "")), as_id(request.GET.get("mapping", ""))
    mapping = ImportMapping.objects.filter(pk=saved).first() if saved else None
    known = imported or mapping
    source = known.source_id if known is not None else usual_source(request)
    return {"source": source, "saved_mapping": mapping, "like": imported}


def import_like(written: str) -> Import | None:
    like = as_id(written)
    return Import.objects.filter(pk=like).first() if like else None


def as_id(written: str) -> int | None:
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 10 else None


def create(request: HttpRequest, data: dict[str, Any]) -> Import:
    """The import, with the mapping that was chosen, else a saved one that fits, else a guess."""
    file: UploadedFile[Any] = data["file"]
    like: Import | None = data["like"]
    made = create_import(
        file,
        name=file.name or "",
        source=data["source"],
        mapping=like.mapping if like else None,
        saved_mapping=data["saved_mapping"],
        user=signed_in(request),
        now=timezone.now(),
    )
    fits = None if like or data["saved_mapping"] else agreeing_mapping(made.source, facts_of_import(made).columns)
    if fits is not None:
        made.saved_mapping, made.mapping = fits, fits.mapping
        made.save(update_fields=["saved_mapping", "mapping"])
    return made


def refuse_too_large(request: HttpRequest, problem: str, context: dict[str, Any]) -> HttpResponse:
    """The answer to a body of which nothing was read."""
    if asks_for_json(request):
        return JsonResponse({"errors": {"file": [{"message": problem}]}}, status=413)
    return show(request, UploadForm(initial={"source": usual_source(request)}), {**context, "problem": problem}, 413)


def show(request: HttpRequest, form: UploadForm, context: dict[str, Any], status: int = 200) -> HttpResponse:
    limit = settings.IMPORT_MAX_UPLOAD_BYTES
    like = form.initial.get("like") or import_like(form.data.get("like", ""))
    context = {
        **context, "form": form, "limit": limit, "too_large": too_large(), "sources": importing_sources(), "like": like
    }  # fmt: skip
    return TemplateResponse(request, "profiles/imports/upload.html", context, status=status)


def asks_for_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "application/json"


def sent_to(request: HttpRequest, address: str) -> HttpResponse:
    return JsonResponse({"location": address}) if asks_for_json(request) else HttpResponseRedirect(address)

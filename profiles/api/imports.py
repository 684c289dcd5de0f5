"""`imports/`: files taken in, from their upload to their taking back; docs/imports.md has the format of mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import orjson
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.bodies import FileNegotiation, JsonParser
from cdp.api.problems import Conflict, TooLarge
from cdp.api.router import route
from cdp.api.runs import CountsField, RunSerializer, accepted
from cdp.api.serializers import StrictSerializer
from cdp.api.viewsets import ReadingViewSet
from cdp.disclosure import VIEW_PII, may_see_pii, shown_reason
from cdp.models import Run, User
from cdp.uploads import UploadTooLargeError, receive_to_disk, too_large
from profiles.imports.again import error_of
from profiles.imports.errors import ImportFileError, MappingProblem
from profiles.imports.facts import FileFacts
from profiles.imports.readers import reading_as_stored
from profiles.masking import masking_for
from profiles.models import Import, ImportMapping, Source
from profiles.services.drafts import discard_import
from profiles.services.import_again import import_again, leaning_on, lost_by
from profiles.services.imports import (
    ImportStateError,
    check_enabled,
    check_mapping,
    create_import,
    guess_mapping,
    inspect_file,
    queue_import,
    reading_id,
    refused_name,
    refused_rows,
    take_back,
)

UPLOADS = ("create", "guess")  # actions whose body is a form with a file


class MappingField(serializers.JSONField):
    """A mapping, as JSON or, in a form, as its text; checked as a whole, each problem under its own place."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            try:
                data = orjson.loads(str(data))  # a form has a kind of text of its own
            except ValueError as error:
                raise serializers.ValidationError(_("is not JSON")) from error
        if problems := check_mapping(data):
            raise serializers.ValidationError(by_place(problems))
        return data


def by_place(problems: list[MappingProblem]) -> Any:
    """Problems as the errors of a field, under their places in the mapping."""
    if any(problem.path for problem in problems):
        return {problem.path or "mapping": [problem.message] for problem in problems}
    return [problem.message for problem in problems]


def usable_sources() -> QuerySet[Source]:
    return Source.objects.filter(is_enabled=True).exclude(kind=Source.Kind.BUILT_IN)


class FileForm(StrictSerializer):
    """A file and the source that it comes from."""

    file = serializers.FileField()
    source = serializers.SlugRelatedField(slug_field="key", queryset=usable_sources())  # type: ignore[assignment]

    def validate_file(self, file: UploadedFile[Any]) -> UploadedFile[Any]:
        if (file.size or 0) > settings.IMPORT_MAX_UPLOAD_BYTES:
            raise TooLarge(too_large())
        return file


class GuessForm(FileForm):
    """Without a `header`, the first line of CSV is a row, and the columns are named 1, 2, 3, …"""

    header = serializers.BooleanField(default=True)


class ImportForm(FileForm):
    """Either `mapping` or the key of a `saved_mapping`, which knows its source. With `dry_run`, nothing is taken."""

    source = serializers.SlugRelatedField(slug_field="key", queryset=usable_sources(), required=False)
    mapping = MappingField(required=False)
    saved_mapping = serializers.SlugRelatedField(
        slug_field="key", queryset=ImportMapping.objects.select_related("source"), required=False
    )
    dry_run = serializers.BooleanField(default=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if ("mapping" in data) == ("saved_mapping" in data):
            raise serializers.ValidationError({"mapping": [_("give either this or saved_mapping")]})
        if "source" not in data:
            if "saved_mapping" not in data:
                raise serializers.ValidationError({"source": [_("is required with a mapping")]})
            data["source"] = data["saved_mapping"].source
            try:
                check_enabled(data["source"])
            except ImportFileError as error:
                raise serializers.ValidationError({"saved_mapping": [str(error)]}) from error
        return data


class StartSerializer(StrictSerializer):
    """With `dry_run`, nothing is taken. `seen`: the `reading` of the import that was looked at, or checked; 409 where
    somebody has changed meanwhile how the file is understood.
    """

    dry_run = serializers.BooleanField(default=False)
    seen = serializers.CharField(required=False)


class ImportSerializer(serializers.ModelSerializer[Import]):
    """`n_done` of `n_rows` are in; `counts` say what became of them, `dry_run_counts` what the last dry run expects.

    `mapping` is null for whoever may not see personal data: it may hold values for all rows; so is `reading`, another
    text whenever the file would be understood otherwise. `run` is the latest run. `error`: why that failed, or did not
    take in this file, or why a watched folder could not start the import.
    """

    source = serializers.CharField(source="source.key")  # type: ignore[assignment]
    saved_mapping = serializers.CharField(source="saved_mapping.key", default=None, allow_null=True)
    name = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=Import.State.choices)
    user = serializers.CharField(source="user.username", default=None, allow_null=True)
    run = serializers.IntegerField(source="run_id", allow_null=True)
    counts = CountsField()
    dry_run_counts = CountsField(allow_null=True)
    mapping = serializers.SerializerMethodField()
    reading = serializers.SerializerMethodField()
    has_refused = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = Import
        fields = (
            "id", "name", "source", "saved_mapping", "state", "format", "encoding", "delimiter", "size", "mapping",
            "reading", "run", "n_rows", "n_done", "counts", "dry_run_counts", "has_refused", "error", "user",
            "created_at", "started_at", "ended_at", "taken_back_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_name(self, imported: Import) -> str:
        return masking_for(self.context["request"].user).sentence(imported.name)

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_mapping(self, imported: Import) -> Any:
        return imported.mapping if may_see_pii(self.context["request"].user) else None

    def get_reading(self, imported: Import) -> str | None:
        return reading_id(imported) if may_see_pii(self.context["request"].user) else None

    def get_error(self, imported: Any) -> str:
        return shown_reason(imported.not_queued or error_of(imported), self.context["request"].user)

    def get_has_refused(self, imported: Import) -> bool:
        return bool(imported.refused_file)


class ImportRunSerializer(RunSerializer):
    """The run, and the import that it works on."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`import` is a word of Python's, so it cannot be declared."""
        return {**super().get_fields(), "import": serializers.IntegerField(source="params.import", read_only=True)}


class LeaningSerializer(serializers.Serializer[Any]):
    """A later import that lost rows, or would. `is_kept`: its file is still stored; `is_again`: it came again since."""

    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    is_kept = serializers.BooleanField()
    is_again = serializers.BooleanField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`import` is a word of Python's, so it cannot be declared."""
        return {"import": serializers.IntegerField(), **super().get_fields()}


class GuessSerializer(serializers.Serializer[Any]):
    """How a file is read, its columns, and what they probably mean; `problems` are what is left to be decided."""

    format = serializers.CharField()
    encoding = serializers.CharField()
    delimiter = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    warnings = serializers.ListField(child=serializers.CharField())
    mapping = serializers.DictField()
    problems = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


class ImportFilters(filters.FilterSet):
    """`state` as the answer has it."""

    source = filters.ModelChoiceFilter(to_field_name="key", queryset=Source.objects.all())
    saved_mapping = filters.ModelChoiceFilter(to_field_name="key", queryset=ImportMapping.objects.all())
    state = filters.ChoiceFilter(choices=Import.State.choices)

    class Meta:
        model = Import
        fields = ("source", "saved_mapping", "state")


@route("imports")
class ImportViewSet(ReadingViewSet):
    """Imports, the newest first."""

    queryset = Import.objects.with_state().select_related("source", "saved_mapping", "user", "run").order_by("-id")
    serializer_class = ImportSerializer
    filterset_class = ImportFilters
    lookup_value_regex = r"[0-9]{1,9}"
    reading_actions = frozenset({"guess"})
    action_permissions = {
        "create": ("profiles.add_import", VIEW_PII),
        "guess": ("profiles.add_import", VIEW_PII),
        "start": ("profiles.add_import", VIEW_PII),
        "take_back": ("profiles.change_import", VIEW_PII),
        "import_again": ("profiles.add_import", VIEW_PII),
        "refused": ("profiles.view_import", VIEW_PII),
    }

    parser_classes = (MultiPartParser, JsonParser)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Files go to disk; a body that is too large is refused before it is read."""
        super().initial(request, *args, **kwargs)
        if self.action in UPLOADS:
            try:
                receive_to_disk(request._request)
            except UploadTooLargeError as error:
                raise TooLarge(str(error)) from error

    @extend_schema(request={"multipart/form-data": ImportForm}, responses={202: ImportRunSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload a file and queue its import: 202 with the run, and in `import` the id to follow it by."""
        form = ImportForm(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        dry_run = data.pop("dry_run")
        imported = made_import(request, data)
        try:
            run = queue_import(imported, user=user_of(request), dry_run=dry_run)
        except ImportFileError as error:
            problems = check_mapping(imported.mapping, facts=facts_of_import(imported))
            discard_import(imported.pk)
            raise serializers.ValidationError({"mapping": by_place(problems) or [str(error)]}) from error
        return accepted_for(imported, run, request)

    @extend_schema(request={"multipart/form-data": GuessForm}, responses={200: GuessSerializer})
    @action(detail=False, methods=["post"])
    def guess(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a file is, and a mapping to start from, by its columns and cells. Nothing is kept."""
        form = GuessForm(data=request.data)
        form.is_valid(raise_exception=True)
        file, source = form.validated_data["file"], form.validated_data["source"]
        try:
            facts = inspect_file(
                Path(file.temporary_file_path()), name=file.name, has_header=form.validated_data["header"]
            )
        except ImportFileError as error:
            raise serializers.ValidationError({"file": [str(error)]}) from error
        mapping = guess_mapping(facts, source=source)
        problems = check_mapping(mapping, facts=facts)
        return Response(
            {
                "format": facts.format,
                "encoding": facts.encoding,
                "delimiter": facts.delimiter,
                "columns": list(facts.columns),
                "warnings": list(facts.warnings),
                "mapping": mapping,
                "problems": [{"path": problem.path, "message": problem.message} for problem in problems],
            }
        )

    @extend_schema(request=StartSerializer, responses={202: ImportRunSerializer})
    @action(detail=True, methods=["post"], parser_classes=[JsonParser])
    def start(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Import after a dry run, or go on where an import stopped. 409 where it runs, has ended or was taken back, or
        is understood otherwise than was `seen`.
        """
        form = StartSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        imported = self.get_object()
        try:
            run = queue_import(imported, user=user_of(request), **form.validated_data)
        except (ImportStateError, ImportFileError) as error:
            raise Conflict(str(error)) from error
        return accepted_for(imported, run, request)

    @extend_schema(request=None, responses={202: ImportRunSerializer})
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back what it wrote and nothing has touched since. 409 where nothing can be taken back."""
        imported = self.get_object()
        try:
            run = take_back(imported, user=user_of(request))
        except ImportStateError as error:
            raise Conflict(str(error)) from error
        return accepted_for(imported, run, request)

    @extend_schema(responses=LeaningSerializer(many=True))
    @action(detail=True, methods=["get"], filterset_class=None)
    def leaning(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Later imports of its source that found rows as they stood: what it had written of them goes with it."""
        imported = self.get_object()
        masking = masking_for(request.user)
        page = self.paginate_queryset(leaning_on(imported)) or []
        rows = [
            {
                "import": found.import_.pk,
                "name": masking.sentence(found.import_.name),
                "created_at": found.import_.created_at,
                "is_kept": found.is_kept,
                "is_again": found.is_again,
            }
            for found in lost_by(imported, of=page)
        ]
        return self.get_paginated_response(LeaningSerializer(rows, many=True).data)

    @extend_schema(request=None, responses={202: ImportRunSerializer})
    @action(detail=True, methods=["post"], url_path="import-again")
    def import_again(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Once it is taken back: import again the later files that lost rows by that, as of when they were imported
        first. 409 where there are none whose file is still stored.
        """
        imported = self.get_object()
        try:
            run = import_again(imported, user=user_of(request))
        except (ImportStateError, ImportFileError) as error:
            raise Conflict(str(error)) from error
        return accepted_for(imported, run, request)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], content_negotiation_class=FileNegotiation)
    def refused(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        """The refused rows as a file, with the number and the reason of each. 404 where none was refused."""
        imported = self.get_object()
        if not imported.refused_file:
            raise Http404(_("No row of this import was refused."))
        answer = StreamingHttpResponse(refused_rows(imported), content_type="application/octet-stream")
        answer["Content-Disposition"] = content_disposition_header(True, refused_name(imported)) or "attachment"
        return answer


def user_of(request: Request) -> User:
    """The account of the token; nobody else comes this far."""
    return cast(User, request.user)


def made_import(request: Request, data: dict[str, Any]) -> Import:
    """The file, stored. Raises ValidationError where it cannot be read."""
    try:
        return create_import(
            data["file"],
            name=data["file"].name,
            source=data["source"],
            mapping=data.get("mapping"),
            saved_mapping=data.get("saved_mapping"),
            user=user_of(request),
            now=timezone.now(),
        )
    except ImportFileError as error:
        raise serializers.ValidationError({"file": [str(error)]}) from error


def facts_of_import(imported: Import) -> FileFacts:
    reading = reading_as_stored(imported)._asdict()
    return inspect_file(Path(imported.file.path), name=imported.name, **reading)


def accepted_for(imported: Import, run: Run, request: Request) -> Response:
    """202, as `accepted` has it, with the id of the import."""
    answer = accepted(run, request)
    answer.data = ImportRunSerializer(run, context={"request": request}).data
    return answer

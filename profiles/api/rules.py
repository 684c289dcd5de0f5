"""Rules and their holders over HTTP: what tags, segments and tier schemes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.problems import Conflict, rule_problems
from cdp.api.schema import SCHEMAS
from cdp.api.serializers import StrictModelSerializer, StrictSerializer
from cdp.api.viewsets import ManagingViewSet
from cdp.audit import write_change
from cdp.dependents import dependents_of
from cdp.models import RuleVersion, User
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule
from profiles.masking import mask_rule
from profiles.refresh.saving import Archived, BeingFilled, StillUsed, VersionConflict, lock_rules

Held = TypeVar("Held", bound=Model)


@extend_schema_field({"$ref": f"{SCHEMAS}Rule"})
class RuleJson(serializers.JSONField):
    """A rule, parsed where it is given, so that its problems come with those of the other fields; whoever saves it
    parses it again, locked. Whoever reads it sees personal values masked as ever.
    """

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        try:
            parse_rule(value)
        except RuleError as error:
            raise rule_problems(error) from error
        return value

    def to_representation(self, value: Any) -> Any:
        return mask_rule(value, self.context["request"].user)


class HolderSerializer(StrictModelSerializer[Held]):
    """Something filled by rules. `version` of a PATCH is the one that it edits: an old one is 409, none is the last."""

    version = serializers.IntegerField(source="rule_version", min_value=1, max_value=2**31 - 1, required=False)

    def validate_version(self, version: int) -> int:
        if self.instance is None:
            raise serializers.ValidationError(_("cannot be set"))
        return version


class RulePartSerializer(serializers.Serializer[Any]):
    """The rule of one value or tier; `key` and `name` are "" where there is a single rule."""

    key = serializers.CharField()
    name = serializers.CharField()
    rule = RuleJson(allow_null=True)


class RuleVersionSerializer(serializers.ModelSerializer[RuleVersion]):
    """The rules from a moment on, and who wrote them; nobody is null."""

    rules = RulePartSerializer(many=True)
    user = serializers.SlugRelatedField[User](slug_field="username", read_only=True)

    class Meta:
        model = RuleVersion
        fields = ("version", "rules", "user", "at")


class RestoreRulesSerializer(StrictSerializer):
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class DependentSerializer(serializers.Serializer[Any]):
    """Something that refers to it; `kind` is such as `segment`, `tier_scheme`, `campaign`, `saved_mapping`, `webhook`.

    `parts` are the values or tiers that it names; `is_binding`: while it is there, the thing, or those parts of it,
    cannot go; `note` says in words of people what is particular of it, such as that a webhook is switched off.
    """

    kind = serializers.CharField()
    key = serializers.CharField()
    name = serializers.CharField()
    parts = serializers.ListField(child=serializers.CharField())
    is_binding = serializers.BooleanField()
    note = serializers.CharField()


class HolderViewSet(ManagingViewSet):
    """Things filled by rules: each change is of what is there now, and is refused as the services refuse it."""

    holder_prefix: str

    def restore_rules(self, thing: Any, version: int, user: User) -> None:
        """Call the service that gives a thing the rules of a version."""
        raise NotImplementedError

    @extend_schema(methods=["GET"], responses=RuleVersionSerializer(many=True))
    @action(detail=True, filterset_class=None)
    def versions(self, request: Request, key: str) -> Response:
        """What its rules were, the latest first."""
        thing = get_object_or_404(self.get_queryset(), key=key)
        rows = RuleVersion.objects.filter(holder=f"{self.holder_prefix}:{thing.key}").select_related("user")
        page = self.paginate_queryset(rows.order_by("-version")) or []
        shown = RuleVersionSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shown.data)

    @extend_schema(responses=DependentSerializer(many=True))
    @action(detail=True, pagination_class=None, filterset_class=None)
    def dependents(self, request: Request, key: str) -> Response:
        """What refers to it: rules, campaigns, mappings of imports; what is binding first."""
        thing = get_object_or_404(self.get_queryset(), key=key)
        found = dependents_of(f"{self.holder_prefix}:{thing.key}")
        return Response(DependentSerializer(found, many=True).data)

    @extend_schema(request=RestoreRulesSerializer)
    @action(detail=True, methods=["post"], url_path="restore-rules")
    def restore(self, request: Request, key: str) -> Response:
        """Give it the rules that it had in a version, as a new version; refreshed at once, in full."""
        body = RestoreRulesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic(), conflicts():
            lock_rules()
            thing = self.get_object()
            before = self.values_of(self.get_serializer(thing).data)
            try:
                self.restore_rules(thing, body.validated_data["version"], request.user)  # type: ignore[arg-type]
            except RuleVersion.DoesNotExist as error:
                raise serializers.ValidationError({"version": [_("There is no such version.")]}) from error
            restored = self.get_serializer(self.get_object()).data
            write_change(request.user, thing, before=before, after=self.values_of(restored))  # type: ignore[arg-type]
        return Response(restored)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with conflicts():
            return super().create(request, *args, **kwargs)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic(), conflicts():
            lock_rules()  # before the thing is read, so that what is not named in the body is not set back
            return super().partial_update(request, *args, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with conflicts():
            return super().destroy(request, *args, **kwargs)


@contextmanager
def conflicts() -> Iterator[None]:
    """What a service refuses because of how things are now, as 409."""
    try:
        yield
    except (StillUsed, Archived, BeingFilled) as error:
        raise Conflict(" ".join(error.messages)) from error
    except VersionConflict as error:
        raise Conflict(str(error)) from error

"""Rules and their holders over HTTP: what tags, segments and tier schemes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.problems import Conflict
from cdp.api.serializers import StrictModelSerializer
from cdp.api.viewsets import ManagingViewSet
from profiles.masking import mask_rule
from profiles.refresh.saving import StillUsed, VersionConflict, lock_rules

Held = TypeVar("Held", bound=Model)


@extend_schema_field({"type": "object", "additionalProperties": {}, "description": "A rule: a group or a condition."})
class RuleJson(serializers.JSONField):
    """A rule. Whoever saves it parses it; whoever reads it sees personal values masked as ever."""

    def to_representation(self, value: Any) -> Any:
        return mask_rule(value, self.context["request"].user)


class HolderSerializer(StrictModelSerializer[Held]):
    """Something filled by rules. `version` of a PATCH is the one that it edits: an old one is 409, none is the last."""

    version = serializers.IntegerField(source="rule_version", min_value=1, max_value=2**31 - 1, required=False)

    def validate_version(self, version: int) -> int:
        if self.instance is None:
            raise serializers.ValidationError(_("cannot be set"))
        return version


class HolderViewSet(ManagingViewSet):
    """Things filled by rules: each change is of what is there now, and is refused as the services refuse it."""

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
    except StillUsed as error:
        raise Conflict(" ".join(error.messages)) from error
    except VersionConflict as error:
        raise Conflict(str(error)) from error

"""How lists of profiles are narrowed down."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework.exceptions import PermissionDenied, ValidationError

from cdp.disclosure import VIEW_PII, Viewer, may_see_pii
from cdp.rules.compile import compile_rule
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY
from profiles.models import IdentifierKind, Profile
from profiles.services.resolve import Reference, find_by_identifiers


def reference_in(given: str, *, name: str, viewer: Viewer) -> Reference:
    """An identifier as the parameter `name` gives it; only to those who may see personal data.

    Raises PermissionDenied and ValidationError.
    """
    if not may_see_pii(viewer):  # finding somebody tells what is masked
        raise PermissionDenied(_("This needs the permission %s.") % VIEW_PII)
    kind, colon, value = given.partition(":")
    if not colon or not value:
        raise ValidationError({name: [_("must read kind:value, such as email:ann@example.com")]})
    kinds = list(IdentifierKind.objects.values_list("key", flat=True))
    if kind not in kinds:
        raise ValidationError({name: [_("unknown kind; known: %s") % ", ".join(kinds)]})
    return kind, value


class ProfileFilters(filters.FilterSet):
    """`segment` and `tag` are asked in the rule language, since their apps stand above this one."""

    identifier = filters.CharFilter(
        method="with_identifier", label=_("Identifier, as kind:value; needs profiles.view_pii")
    )
    segment = filters.CharFilter(method="meeting", label=_("Key of a segment"))
    tag = filters.CharFilter(method="meeting", label=_("Key of a tag"))

    class Meta:
        model = Profile
        fields = ("identifier", "segment", "tag")

    def with_identifier(self, profiles: QuerySet[Profile], name: str, given: str) -> QuerySet[Profile]:
        reference = reference_in(given, name=name, viewer=self.request.user)
        return profiles.filter(pk__in=find_by_identifiers([reference]).values())

    def meeting(self, profiles: QuerySet[Profile], name: str, key: Any) -> QuerySet[Profile]:
        try:
            rule = parse_rule({"op": name, "key": key})
        except RuleError as error:
            raise ValidationError({name: [problem.message for problem in error.problems]}) from error
        return profiles.filter(compile_rule(rule, scope=EVERYBODY, now=timezone.now()))

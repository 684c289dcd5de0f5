"""How lists of profiles are narrowed down."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from profiles.models import Profile
from profiles.services.lookup import Named, UnknownKindError, profiles_by_identifier


class ProfileFilters(filters.FilterSet):
    identifier = filters.CharFilter(method="with_identifier", label=_("Identifier, as kind:value"))

    class Meta:
        model = Profile
        fields = ("identifier",)

    def with_identifier(self, profiles: QuerySet[Profile], name: str, given: str) -> QuerySet[Profile]:
        kind, colon, value = given.partition(":")
        if not colon or not value:
            raise ValidationError({name: [_("must read kind:value, such as email:ann@example.com")]})
        try:
            found = profiles_by_identifier([Named(kind, value)])
        except UnknownKindError as error:
            raise ValidationError({name: [str(error)]}) from error
        return profiles.filter(pk__in=found.values())

"""Tags as a filter of the list of profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.admin.searched import SearchedFilterForm
from cdp.ids import is_id
from cdp.rules.days import DAY, start_of
from profiles.admin.filters import register_profile_filter
from profiles.admin.people import PeopleFilter
from profiles.models import Profile
from tags.admin.options import TO_FILTER, choices_url
from tags.dimensions.tag import NO_VALUE
from tags.feeds import Turn
from tags.models import Tag, TagAssignment, TagChange
from tags.services.as_of import carriers_as_of, people_who_turned


class TagFilterForm(SearchedFilterForm):
    @property
    def url(self) -> str:
        return choices_url(TO_FILTER)


@register_profile_filter
class TagFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those who carry one tag now, with whatever value (`12`), with one (`12:34`), or without one (`12:`)."""

    title = _("tag")
    parameter_name = "tag"
    form_class = TagFilterForm

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What is asked for; the rest is searched."""
        given = request.GET.get(self.parameter_name)
        asked = Carried.read(given) if given else None
        return [(given, asked.in_words() if asked else gettext("Cannot be read"))] if given else []

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if not self.value():
            return queryset
        asked = Carried.read(self.value())
        return queryset.filter(Exists(asked.live().filter(profile=OuterRef("pk")))) if asked else queryset.none()

    def as_rule(self) -> Any:
        asked = Carried.read(self.value())
        return asked.as_rule() if asked else None


@dataclass(frozen=True)
class Carried:
    """A tag, and the one of its values that is meant; `is_whatever`: any, or none; else None is without a value."""

    tag_id: int
    value_id: int | None
    is_whatever: bool

    @classmethod
    def read(cls, text: str) -> Carried | None:
        tag_id, colon, value_id = text.partition(":")
        if not is_id(tag_id) or (value_id and not is_id(value_id)):
            return None
        return cls(int(tag_id), int(value_id) if value_id else None, not colon)

    def live(self) -> QuerySet[TagAssignment]:
        live = TagAssignment.objects.live(timezone.now()).filter(tag=self.tag_id)
        return live if self.is_whatever else live.filter(value=self.value_id)

    def in_words(self) -> str:
        tag = Tag.objects.filter(pk=self.tag_id).first()
        if tag is None or self.is_whatever:
            return tag.name if tag else gettext("Cannot be read")
        value = tag.values.filter(pk=self.value_id).first() if self.value_id else None
        return f"{tag.name} · {value.name if value else gettext('Without a value')}"

    def as_rule(self) -> Any:
        tag = Tag.objects.filter(pk=self.tag_id).first()
        if tag is None or self.is_whatever:
            return {"op": "tag", "key": tag.key} if tag else None
        keys = dict(tag.values.values_list("pk", "key"))
        if self.value_id is not None:
            known = keys.get(self.value_id)
            return {"op": "tag", "key": tag.key, "value": [known]} if known else None
        carried = {"op": "tag", "key": tag.key}
        return {"all": [carried, {"not": {**carried, "value": list(keys.values())}}]} if keys else carried


@register_profile_filter
class TaggedOnFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those who carried a tag at the end of a business day (`12@2026-06-01`), or one of its values (`12:gold@…`), or
    got or lost it on that day (`12+@…`, `12-@…`); shown while it is asked.
    """

    title = _("tagged on a day")
    parameter_name = "tagged_on"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        given = request.GET.get(self.parameter_name)
        if not given:
            return []
        asked = OfDay.read(given)
        tag = Tag.objects.filter(pk=asked.tag_id).prefetch_related("values").first() if asked else None
        return [(given, asked.in_words(tag) if asked and tag else gettext("Cannot be read"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if not self.value():
            return queryset
        asked = OfDay.read(self.value())
        return queryset.filter(pk__in=asked.people()) if asked else queryset.none()


@dataclass(frozen=True)
class OfDay:
    """People of a tag on a day: `turn` is whether they got or lost it then, None that they carried it at its end."""

    tag_id: int
    value: str | None
    turn: Turn | None
    day: date

    @classmethod
    def read(cls, text: str) -> OfDay | None:
        tag, _at, day = text.partition("@")
        turn = {"+": Turn.ASSIGNED, "-": Turn.REMOVED}.get(tag[-1:])
        tag_id, colon, value = (tag[:-1] if turn else tag).partition(":")
        try:
            on = date.fromisoformat(day)
        except ValueError:
            return None
        is_known = is_id(tag_id) and not (turn and colon) and "\0" not in value and date.min < on < date.max - DAY
        return cls(int(tag_id), value if colon else None, turn, on) if is_known else None

    def people(self) -> QuerySet[TagChange, int]:
        if self.turn is not None:
            return people_who_turned(self.tag_id, self.turn, self.day)
        return carriers_as_of(self.tag_id, start_of(self.day + DAY), value=self.value)

    def in_words(self, tag: Tag) -> str:
        names = {value.key: value.name for value in tag.values.all()}
        names[NO_VALUE] = gettext("Without a value")
        name = tag.name if self.value is None else f"{tag.name} · {names.get(self.value, self.value)}"
        said = {
            None: gettext("carried “%(tag)s” at the end of %(day)s"),
            Turn.ASSIGNED: gettext("got “%(tag)s” on %(day)s"),
            Turn.REMOVED: gettext("lost “%(tag)s” on %(day)s"),
        }
        return said[self.turn] % {"tag": name, "day": self.day.isoformat()}

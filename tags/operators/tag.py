"""`tag`: who carries a tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cdp.keys import is_called
from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.errors import WRONG, Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact, ago
from cdp.rules.scope import Scope
from cdp.rules.shapes import NAME, ListOf, NameOf
from cdp.values import local_time
from tags.models import Tag, TagAssignment, TagValue

CARRIES = gettext_lazy("carries the tag since %(time)s")
CARRIES_VALUE = gettext_lazy("carries the tag with the value “%(named)s” since %(time)s")


@dataclass(frozen=True)
class TagFacts:
    """`values` are the values of the tag: {key: (id, name)}."""

    id: int
    name: str
    values: Mapping[str, tuple[int, str]]


def load_tags(keys: Set[str]) -> Mapping[str, TagFacts]:
    """Two queries: the tags that are not archived, and their values."""
    values: defaultdict[int, dict[str, tuple[int, str]]] = defaultdict(dict)
    for value in TagValue.objects.filter(tag__key__in=keys):
        values[value.tag_id][value.key] = (value.pk, value.name)
    return {tag.key: TagFacts(tag.pk, tag.name, values[tag.pk]) for tag in Tag.objects.current().filter(key__in=keys)}


def offer_tags(wanted: Wanted) -> list[Option]:
    """Two queries: the tags, and their values."""
    is_wanted = Q(key__in=wanted.names) if wanted.names else is_called(wanted.term)
    tags = Tag.objects.current().filter(is_wanted).order_by("name", "key").prefetch_related("values")[: wanted.limit]
    return [
        Option(
            tag.key,
            tag.name,
            hint=tag.key,
            options=tuple(
                Option(value.key, value.name) for value in sorted(tag.values.all(), key=lambda value: value.position)
            ),
        )
        for tag in tags
    ]


add_catalogue("tag", load_tags, missing=gettext_lazy("there is no tag %(name)s, or it is archived"), offer=offer_tags)


@register_operator
@dataclass(frozen=True)
class TagIs(Operator):
    """Carries a tag that has not expired, with any value or one of `values` (keys)."""

    op: ClassVar = "tag"
    face: ClassVar = Face(
        gettext_lazy("Tag"), "sell", 4, labels={"value": gettext_lazy("with any of the values")}, among={"value": "key"}
    )
    params: ClassVar = {
        "key": Param(NameOf("tag")),
        "value": Param(ListOf(NAME), required=False),
    }

    key: str
    facts: TagFacts
    values: tuple[str, ...] = ()

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        facts = given.known["tag"][given["key"]]
        values = given.params.get("value", ())
        unknown = [(index, value) for index, value in enumerate(values) if value not in facts.values]
        for index, value in unknown:
            given.at.key("value").item(index).report(
                _("the tag %(tag)s has no value %(value)s; known: %(values)s")
                % {"tag": given["key"], "value": repr(value), "values": ", ".join(facts.values) or "-"}
            )
        return WRONG if unknown else cls(given["key"], facts, values)

    def predicate(self, scope: Scope, now: datetime) -> Q:
        assignments = TagAssignment.objects.live(now).filter(
            scope.on("profile_id"), profile_id=OuterRef("pk"), tag_id=self.facts.id
        )
        if self.values:
            assignments = assignments.filter(value_id__in=[self.facts.values[key][0] for key in self.values])
        return Q(Exists(assignments))

    def clock(self, after: datetime, until: datetime) -> Q:
        """Whose tag expires."""
        ended = TagAssignment.objects.filter(tag_id=self.facts.id, expires_at__gt=after, expires_at__lte=until)
        return Q(pk__in=ended.values("profile_id"))

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """Since when the tags are carried, with which values, and until when."""
        assignments = TagAssignment.objects.filter(profile=profile_id, tag__in={each.facts.id for each in conditions})
        by_tag = {assignment.tag_id: assignment for assignment in assignments.select_related("value")}
        return [each._found(by_tag.get(each.facts.id), now) for each in conditions]

    def _found(self, assignment: TagAssignment | None, now: datetime) -> list[Fact]:
        parts = {"tag": self.facts.name}
        if assignment is None:
            return [Fact(gettext_lazy("does not carry the tag “%(tag)s”"), parts)]
        at, expires_at = assignment.assigned_at, assignment.expires_at
        if expires_at is not None and expires_at <= now:
            return [Fact(gettext_lazy("the tag expired %(when)s"), {"when": ago(expires_at, now)}, at=expires_at)]
        parts |= {"time": local_time(at), "named": assignment.value.name if assignment.value else ""}
        says = CARRIES_VALUE if assignment.value else CARRIES
        facts = [Fact(says, parts, at=at)]
        if expires_at is not None:
            facts.append(Fact(gettext_lazy("it expires %(when)s"), {"when": ago(expires_at, now)}, at=expires_at))
        return facts

    def topics(self) -> frozenset[str]:
        return frozenset({f"tag:{self.key}"})

    def describe(self) -> str:
        if not self.values:
            return _("has the tag “%(tag)s”") % {"tag": self.facts.name}
        names = pgettext("between values", ", ").join(self.facts.values[key][1] for key in self.values)
        return _("has the tag “%(tag)s” with the value %(values)s") % {"tag": self.facts.name, "values": names}

"""Two people side by side: what is the same of them, and what differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from cdp.disclosure import Viewer
from profiles.admin.names import display_name, id_beside
from profiles.masking import masking_for
from profiles.models import AttributeDefinition, DuplicateSuggestion, Event, Identifier, Profile
from profiles.sections import all_sections
from profiles.services.duplicates import rejections_between
from profiles.templatetags.profile_values import attribute_value, definition_label

SAME, DIFFERS, ONE = "same", "differs", "one"
MAX_VALUES = 20  # identifiers of one kind
MAX_EVENTS = 1_000  # counted of each


@dataclass(frozen=True)
class Side:
    """One of the two: their name as this user may see it, and the start of their id where the name does not say it."""

    profile: Profile
    name: str
    short_id: str


@dataclass(frozen=True)
class Row:
    """One fact of both; `state` says whether it is the same, differs, or is known of one alone."""

    label: str | Promise
    left: list[str]
    right: list[str]
    state: str

    @property
    def left_and_right(self) -> tuple[list[str], list[str]]:
        return self.left, self.right


def sides_of(people: Sequence[Profile], viewer: Any) -> list[Side]:
    named = [(person, display_name(person, viewer)) for person in people]
    return [Side(person, name, id_beside(name, person)) for person, name in named]


def rows_of(people: Sequence[Profile], viewer: Any) -> list[Row]:
    """Identifiers by priority of their kind, attributes by label, what the sections say, and when they were seen."""
    left, right = people
    rows = [*identifier_rows(left, right, viewer), *attribute_rows(left, right, viewer), *section_rows(left, right)]
    first, last, events = zip(*map(seen_texts, people), strict=True)
    rows += [
        Row(_("First seen"), [first[0]], [first[1]], SAME),
        Row(_("Last seen"), [last[0]], [last[1]], SAME),
        Row(_("Events"), [events[0]], [events[1]], SAME),
    ]
    return rows


def row(label: str | Promise, left: list[str], right: list[str], *, is_same: bool) -> Row:
    if not (left and right):
        return Row(label, left, right, ONE)
    return Row(label, left, right, SAME if is_same else DIFFERS)


def identifier_rows(left: Profile, right: Profile, viewer: Any) -> list[Row]:
    """An identifier is of one person alone, so that all of a kind that both have differ."""
    masking = masking_for(viewer)
    found: defaultdict[str, dict[int, list[str]]] = defaultdict(lambda: {left.pk: [], right.pk: []})
    identifiers = (
        Identifier.objects.filter(profile__in=[left, right]).select_related("kind").order_by("kind__priority", "pk")
    )
    for identifier in identifiers[: 50 * MAX_VALUES]:
        values = found[identifier.kind.label][identifier.profile_id]
        if len(values) < MAX_VALUES:
            values.append(masking.identifier(identifier.kind.key, identifier.value))
    return [row(gettext(label), of[left.pk], of[right.pk], is_same=False) for label, of in found.items()]


def attribute_rows(left: Profile, right: Profile, viewer: Any) -> list[Row]:
    keys = {key for person in (left, right) for key, value in person.attributes.items() if value not in (None, "")}
    keys -= {key for key in keys & {"email", "phone"} if all(is_own(person, key) for person in (left, right))}
    masking = masking_for(viewer)
    definitions = AttributeDefinition.objects.filter(key__in=keys).order_by("pk")

    def shown(person: Profile, key: str) -> list[str]:
        value = person.attributes.get(key)
        return [] if value in (None, "") else [attribute_value(masking.attribute(key, value))]

    return [
        row(
            definition_label(definition),
            shown(left, definition.key),
            shown(right, definition.key),
            is_same=left.attributes.get(definition.key) == right.attributes.get(definition.key),
        )
        for definition in definitions
    ]


def is_own(person: Profile, kind: str) -> bool:
    """Whether the attribute of this name says nothing more than the person's identifiers."""
    value = person.attributes.get(kind)
    return not value or Identifier.objects.filter(profile=person, kind__key=kind, value=value).exists()


def section_rows(left: Profile, right: Profile) -> list[Row]:
    """What the apps above say of them in short words: tags, segments, tiers."""
    rows = []
    for section in all_sections():
        if section.names is not None:
            named = section.names([left.pk, right.pk])
            words = [named.get(person.pk, []) for person in (left, right)]
            if any(words):
                rows.append(row(section.title, *words, is_same=words[0] == words[1]))
    return rows


def seen_texts(person: Profile) -> tuple[str, str, str]:
    """First and last seen, and the number of events, up to a limit."""
    n_events = Event.objects.filter(profile=person).order_by()[: MAX_EVENTS + 1].count()
    first, last = (date_format(localtime(at), "Y-m-d H:i") for at in (person.first_seen_at, person.last_seen_at))
    more = pgettext("number of events", "over %(n)d") % {"n": MAX_EVENTS}
    return first, last, str(n_events) if n_events <= MAX_EVENTS else more


def rejected_between(people: Collection[int], viewer: Viewer) -> list[tuple[str, str]]:
    """What was rejected of any two of these people: its sentence and its page, where it is opened again."""
    return [(each.sentence(viewer), page_of(each.suggestion)) for each in rejections_between(people)]


def page_of(suggestion: DuplicateSuggestion) -> str:
    return reverse("admin:profiles_duplicatesuggestion_change", args=[suggestion.pk])

"""People side by side, before and after a change, as this user may see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.admin.identity import identifier_text
from profiles.admin.names import display_name, id_beside
from profiles.masking import mask_attributes
from profiles.models import AttributeDefinition, Consent, Profile
from profiles.sections import all_sections
from profiles.services.identity.preview import Preview, Snapshot
from profiles.templatetags.profile_values import attribute_value, channel_label, definition_label

MAX_WORDS = 30  # of one cell


@dataclass(frozen=True)
class Column:
    """One person; `is_after` where the change has been made. `pk` leads to the page, None where there is none yet.

    `short_id` is the start of their id, empty where the title says it, and of who would be new: they would get another.
    """

    title: str
    note: str
    short_id: str
    pk: int | None
    is_after: bool


@dataclass(frozen=True)
class Cell:
    words: list[str]
    n_more: int
    is_loud: bool = False


@dataclass(frozen=True)
class Row:
    """One thing about everybody. `note` says what to know of it; empty mostly."""

    label: str
    cells: list[Cell]
    note: str = ""


@dataclass(frozen=True)
class Group:
    title: str | Promise
    rows: list[Row]


@dataclass(frozen=True)
class Comparison:
    columns: list[Column]
    groups: list[Group]


def compare(preview: Preview, viewer: Any, *, after_notes: Sequence[str] = ()) -> Comparison:
    """A table of the people of a preview; `after_notes` say what each of those after the change is: without a word over
    those before, one name stood twice over two columns.
    """
    notes = [gettext("Now")] * len(preview.before) + list(after_notes)
    people = [*preview.before, *preview.after]
    n_before = len(preview.before)
    known = {snapshot.profile.pk for snapshot in preview.before}
    ids = [person.profile.pk for person in people]
    there = set(Profile.objects.filter(pk__in=ids).values_list("pk", flat=True))  # the change was rolled back
    columns = []
    for n, person in enumerate(people):
        is_there = person.profile.pk in there
        is_after, title = n >= n_before, display_name(person.profile, viewer, has_id=is_there)
        columns.append(
            Column(
                title=title,
                note=notes[n] if after_notes else "",
                short_id=id_beside(title, person.profile) if is_there else "",
                pk=person.profile.pk if person.profile.pk in known else None,
                is_after=is_after,
            )
        )
    were = [*([] for _person in preview.before), *(who_were(person, preview.before) for person in preview.after)]
    groups = [
        Group(_("Identifiers"), [identifier_row(people, viewer)]),
        Group(_("Attributes"), attribute_rows(people, were, viewer)),
        Group(_("Consents"), consent_rows(people, were)),
        Group(_("More"), [*section_rows(people), event_row(people)]),
    ]
    return Comparison(columns, [group for group in groups if group.rows])


def who_were(person: Snapshot, before: Sequence[Snapshot]) -> list[int]:
    """The places of those before the change who are `person` after it: they themselves and all who went into them; of a
    part that was split off, those whom it was part of.
    """
    identifiers = {identifier.pk for identifier in person.identifiers}
    sides = [{identifier.pk for identifier in each.identifiers} for each in before]
    went = [bool(side) and side <= identifiers for side in sides]
    whole = [n for n, each in enumerate(before) if went[n] or each.profile.pk == person.profile.pk]
    return whole or [n for n, side in enumerate(sides) if side & identifiers]


def cell(words: Sequence[str], *, is_loud: bool = False) -> Cell:
    return Cell(list(words[:MAX_WORDS]), max(0, len(words) - MAX_WORDS), is_loud)


def identifier_row(people: Sequence[Snapshot], viewer: Any) -> Row:
    texts = [[identifier_text(identifier, viewer) for identifier in person.identifiers] for person in people]
    return Row("", [cell(words) for words in texts])


def attribute_rows(people: Sequence[Snapshot], were: Sequence[Sequence[int]], viewer: Any) -> list[Row]:
    """One a key; a value is loud that is another than one of those who were this person had."""
    keys = sorted({key for person in people for key in person.profile.attributes})
    labels = {found.key: definition_label(found) for found in AttributeDefinition.objects.filter(key__in=keys)}
    masked = [mask_attributes(person.profile.attributes, viewer) for person in people]
    rows = []
    for key in keys:
        stored = [person.profile.attributes.get(key) for person in people]
        cells = [
            cell(
                [attribute_value(values[key])] if key in values else [],
                is_loud=any(stored[n] != stored[place] for place in were[n]),
            )
            for n, values in enumerate(masked)
        ]
        rows.append(Row(labels.get(key, key), cells))
    return rows


def consent_rows(people: Sequence[Snapshot], were: Sequence[Sequence[int]]) -> list[Row]:
    """One a channel, saying where somebody's grant gives way to a denial."""
    states = dict(Consent.State.choices)
    rows = []
    for channel in sorted({channel for person in people for channel in person.consents}):
        said = [person.consents.get(channel) for person in people]
        is_stricter = any(
            state == Consent.State.DENIED and said[place] == Consent.State.GRANTED
            for n, state in enumerate(said)
            for place in were[n]
        )
        cells = [
            cell([str(states[state])] if state else [], is_loud=any(state != said[place] for place in were[n]))
            for n, state in enumerate(said)
        ]
        label = gettext("Consent: %(channel)s") % {"channel": channel_label(channel)}
        rows.append(Row(label, cells, gettext("The stricter word counts.") if is_stricter else ""))
    return rows


def section_rows(people: Sequence[Snapshot]) -> list[Row]:
    """Tags, segments and the like, as the apps name them."""
    titles = {section.key: str(section.title) for section in all_sections()}
    keys = [key for key in people[0].words if any(person.words[key] for person in people)] if people else []
    return [Row(titles[key], [cell(person.words[key]) for person in people]) for key in keys]


def event_row(people: Sequence[Snapshot]) -> Row:
    grouped: Callable[[int], str] = "{:,}".format
    return Row(gettext("Events"), [cell([grouped(person.n_events)]) for person in people])

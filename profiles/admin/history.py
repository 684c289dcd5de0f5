"""What became of a person's identity: merges, splits, and what keeps them apart from others. Each part is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from profiles.admin.identity import identifier_text, person_link
from profiles.admin.merging import merge_url
from profiles.admin.names import display_name, id_beside
from profiles.models import Identifier, Profile, ProfileMerge, ProfileSplit, Separation

MAX_ROWS = 100
MAX_SPLITS = 10  # whose separations are shown
MAX_PAIRS = 20  # of one split


@dataclass(frozen=True)
class Deed:
    """One line of the history. `note` says that it was undone, `undo_url` how it can be; else empty. `again_url` is
    where the two of a split, who are two still, are merged again.

    `short_id` is the start of the other's id, empty where `person` says it.
    """

    at: datetime
    what: str
    person: SafeString
    short_id: str
    by: str
    note: str = ""
    undo_url: str = ""
    again_url: str = ""


@dataclass(frozen=True)
class Barrier:
    """What one split keeps apart still: the first pairs as (own, other, separation id), and how many there are."""

    split: ProfileSplit
    person: SafeString
    pairs: list[tuple[str, str, int]]
    n_pairs: int

    @property
    def n_more(self) -> int:
        return self.n_pairs - len(self.pairs)


def history_of(profile: Profile, user: Any) -> list[Deed]:
    """Merges and splits of the person and of those whom they absorbed, the latest first; three queries."""
    ids = profiles_of(profile)
    return sorted([*merges_of(ids, profile, user), *splits_of(ids, user)], key=lambda deed: deed.at, reverse=True)


def profiles_of(profile: Profile) -> list[int]:
    """The profile and all that were merged into it. As a list: a condition over a join would read every merge."""
    return [profile.pk, *Profile.objects.filter(merged_into=profile).values_list("pk", flat=True)]


def merges_of(ids: list[int], profile: Profile, user: Any) -> list[Deed]:
    side = Q(survivor__in=ids) | Q(absorbed__in=ids)
    related = ("survivor", "absorbed", "source", "merged_by", "undone_by")
    found = ProfileMerge.objects.filter(side).select_related(*related).order_by("-pk")[:MAX_ROWS]
    return [deed_of_merge(merge, profile, user) for merge in found]


def deed_of_merge(merge: ProfileMerge, profile: Profile, user: Any) -> Deed:
    was_absorbed = merge.absorbed_id == profile.pk
    other = merge.survivor if was_absorbed else merge.absorbed
    is_undone = merge.undone_at is not None
    note = gettext("Undone by %(who)s.") % {"who": merge.undone_by or "-"} if is_undone else ""
    if is_undone or was_absorbed:
        person = person_link(other, user)
    else:  # a link would lead back here
        other.attributes = merge.absorbed_before.get("attributes") or {}
        person = conditional_escape(display_name(other, user))
    return Deed(
        at=merge.merged_at,
        what=gettext("Merged into another") if was_absorbed else gettext("Took in another"),
        person=person,
        short_id=id_beside(str(person), other),
        by=cause_of(merge),
        note=note,
        undo_url="" if is_undone else reverse("admin:profiles_profile_undo", args=[merge.pk]),
    )


def cause_of(merge: ProfileMerge) -> str:
    """Who or what asked for it."""
    if merge.source is not None:
        words = {"source": merge.source.name, "message": merge.message_id}
        return gettext("%(source)s, message %(message)s") % words if merge.message_id else merge.source.name
    return f"{merge.get_cause_display()}, {merge.merged_by or '-'}"


def splits_of(ids: list[int], user: Any) -> list[Deed]:
    """Splits of the person, and the one by which they came to be."""
    side = Q(from_profile__in=ids) | Q(to_profile__in=ids)
    related = ("from_profile", "to_profile", "split_by")
    found = ProfileSplit.objects.filter(side).select_related(*related).order_by("-pk")[:MAX_ROWS]
    return [deed_of_split(split, ids, user) for split in found]


def deed_of_split(split: ProfileSplit, ids: list[int], user: Any) -> Deed:
    went = split.from_profile_id in ids
    other = split.to_profile if went else split.from_profile
    person = person_link(other, user)
    n = len(split.identifiers)
    text = (
        ngettext("Split off %(n)d identifier", "Split off %(n)d identifiers", n)
        if went
        else ngettext("Was split off with %(n)d identifier", "Was split off with %(n)d identifiers", n)
    )
    return Deed(
        at=split.split_at,
        what=text % {"n": n},
        person=person,
        short_id=id_beside(str(person), other),
        by=str(split.split_by or "-"),
        again_url=again_url_of(split),
    )


def again_url_of(split: ProfileSplit) -> str:
    """Where the two are merged again, whoever they are by now; "" where they are one, or one was erased."""
    sides = (split.from_profile, split.to_profile)
    people = sorted({side.merged_into_id or side.pk for side in sides})
    return merge_url(people) if len(people) == 2 and all(side.erased_at is None for side in sides) else ""


def barriers_of(profile: Profile, user: Any) -> list[Barrier]:
    """What keeps the person apart from others, the latest split first; three queries, and one a split."""
    touching = separations_of(profile)
    counted = dict(touching.order_by().values_list("split").annotate(n=Count("pk")).order_by("-split")[:MAX_SPLITS])
    splits = ProfileSplit.objects.select_related("from_profile", "to_profile", "split_by").in_bulk(list(counted))
    barriers = []
    for split_id, n in counted.items():
        pairs = touching.filter(split=split_id).select_related("left__kind", "right__kind").order_by("pk")[:MAX_PAIRS]
        split = splits[split_id]
        went = profile.pk in (split.from_profile_id, split.from_profile.merged_into_id)
        barriers.append(
            Barrier(
                split=split,
                person=person_link(split.to_profile if went else split.from_profile, user),
                pairs=[pair_of(separation, profile, user) for separation in pairs],
                n_pairs=n,
            )
        )
    return barriers


def separations_of(profile: Profile) -> QuerySet[Separation]:
    """Those in force, by the indexes of both sides."""
    own = list(Identifier.objects.filter(profile=profile).values_list("pk", flat=True))
    return Separation.objects.in_force().naming(own)


def pair_of(separation: Separation, profile: Profile, user: Any) -> tuple[str, str, int]:
    own, other = separation.left, separation.right
    if own.profile_id != profile.pk:
        own, other = other, own
    return identifier_text(own, user), identifier_text(other, user), separation.pk

"""What an operator took apart, and what therefore stays apart: it binds like a limit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.db import connection
from django.utils.translation import gettext as _

from profiles.identity.errors import IdentityError
from profiles.identity.groups import Group, keep_apart
from profiles.models import ProfileSplit, Separation

MAX_PAIRS = 1_000_000  # of one split; about ten seconds


def bind_separations(group_of_profile: Mapping[int, Group]) -> None:
    """Keep apart the groups of profiles that separations in force lie between."""
    # To ask about 2,000 people takes 5 ms, and where there is no separation at all none need be asked about.
    if len(group_of_profile) > 1 and Separation.objects.in_force().exists():
        for one, other in separated_profiles(group_of_profile):
            keep_apart(group_of_profile[one], group_of_profile[other])


def separated_profiles(profile_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Pairs of these profiles of which one has an identifier that is separated from one of the other's."""
    ids = list(profile_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT one.profile_id, other.profile_id
            FROM profiles_identifier AS one
            JOIN profiles_separation AS separation ON separation.left_id = one.id AND separation.lifted_at IS NULL
            JOIN profiles_identifier AS other ON other.id = separation.right_id
            WHERE one.profile_id = ANY(%s) AND other.profile_id = ANY(%s)
            """,
            [ids, ids],
        )
        return [(one, other) for one, other in cursor.fetchall()]


def check_pairs(going: Collection[int], staying: Collection[int]) -> None:
    """Raises IdentityError where a split would write more separations than anybody could look through."""
    if len(going) * len(staying) > MAX_PAIRS:
        message = _("To part %(going)d identifiers from %(staying)d at once is too much; split off fewer.")
        raise IdentityError(message % {"going": len(going), "staying": len(staying)})


def separate(split: ProfileSplit, going: Collection[int], staying: Collection[int]) -> None:
    """Keep every identifier that went from every one that stayed, until somebody lifts it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_separation (left_id, right_id, split_id, separated_at)
            SELECT least(going, staying), greatest(going, staying), %s, %s
            FROM unnest(%s::bigint[]) AS going
            CROSS JOIN unnest(%s::bigint[]) AS staying
            ON CONFLICT (left_id, right_id) WHERE lifted_at IS NULL DO NOTHING
            """,
            [split.pk, split.split_at, sorted(going), sorted(staying)],
        )

"""Taking people apart: splitting identifiers off, and undoing merges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from cdp.audit import write_changes
from cdp.locks import advisory_lock
from cdp.models import User
from profiles.followers import HandMade, Parted, Rehung, all_followers
from profiles.identity.errors import IdentityError
from profiles.identity.feed import write_split
from profiles.identity.forest import Going, Tree, load_tree, splitting, undoing
from profiles.identity.retelling import retell
from profiles.identity.separations import check_pairs, separate
from profiles.identity.sights import write_last_sights
from profiles.ingest.records import fold_into_profiles
from profiles.models import Identifier, IdentityConflict, LastSight, Profile, ProfileMerge, ProfileSplit
from profiles.refresh.enqueue import enqueue_changes, enqueue_coming
from profiles.refresh.graph import SPLIT


@dataclass(frozen=True)
class SplitPreview:
    """What would go and what would stay, before anybody decides; identifiers have their kinds loaded."""

    going: Sequence[Identifier]
    staying: Sequence[Identifier]
    hand_made: Sequence[HandMade]


@transaction.atomic
def split_profile(
    profile: Profile,
    identifiers: Iterable[Identifier],
    *,
    user: User | None,
    now: datetime,
    along: Collection[str] = (),
) -> Profile:
    """Move identifiers of a person into a new profile, which is returned; the rest stays. Where they are just what one
    or several profiles brought, the oldest of these lives again instead.

    Events, contributions and consents go where the identifier goes on which they hang. What was written by hand stays,
    but for the rows named in `along` (`HandMade.ref`) and what was written on a profile of which nothing stays. No link
    brings the two together again until somebody lifts their separation.

    Raises IdentityError: an identifier is not this person's, none is named, or none would stay.
    """
    tree = locked_tree(profile)
    going = splitting(tree, chosen_identifiers(tree, identifiers))
    check(tree, going)
    if going.identifiers == tree.written_on(going.nodes):
        # All of it was somebody's before merges, the oldest of whom lives again rather than a profile without a past.
        tops = {edge.absorbed: edge for edge in going.moved}
        oldest = Profile.objects.filter(pk__in=tops.keys()).order_by("first_seen_at", "public_id")[0]
        going.moved.remove(tops[oldest.pk])
        return part(tree, going, to=oldest, merge_id=tops[oldest.pk].merge_id, along=along, user=user, now=now)
    first_seen_at, last_seen_at = first_and_last_seen(going.identifiers)
    new = Profile.objects.create(first_seen_at=first_seen_at)
    LastSight.objects.create(profile=new, at=last_seen_at)
    return part(tree, going, to=new, merge_id=None, along=along, user=user, now=now)


@transaction.atomic
def undo_merge(merge: ProfileMerge, *, user: User | None, now: datetime, along: Collection[str] = ()) -> Profile:
    """Let the absorbed of a merge live again, under its old id, and return it.

    It takes back its identifiers, wherever later merges brought them, with those that came later and whose first link
    ties them to one of these; and what was written on it by hand. Conflicts that were settled by making one person of
    the two are open again. For the rest see `split_profile`.

    Raises IdentityError: the merge is undone already, or was overtaken by splits, so that one side would be nobody.
    """
    advisory_lock("identity")
    merge = ProfileMerge.objects.select_related("absorbed__merged_into").get(pk=merge.pk)
    check_not_undone(merge)
    tree = locked_tree(merge.absorbed)
    going = taken_back(tree, merge)
    reopen_conflicts(going.identifiers, tree.homes.keys() - going.identifiers, user=user, now=now)
    return part(tree, going, to=merge.absorbed, merge_id=merge.pk, along=along, user=user, now=now)


def preview_split(profile: Profile, identifiers: Iterable[Identifier]) -> SplitPreview:
    """What `split_profile` would do. Raises IdentityError as it does."""
    tree = load_tree(root_of(profile))
    going = splitting(tree, chosen_identifiers(tree, identifiers))
    check(tree, going)
    return preview(tree, going)


def preview_undo(merge: ProfileMerge) -> SplitPreview:
    """What `undo_merge` would do. Raises IdentityError as it does."""
    check_not_undone(merge)
    tree = load_tree(root_of(merge.absorbed))
    return preview(tree, taken_back(tree, merge))


def preview(tree: Tree, going: Going) -> SplitPreview:
    parted = Parted(tree.root, 0, sorted(going.identifiers), sorted(going.nodes))
    identifiers = Identifier.objects.filter(pk__in=tree.homes.keys()).select_related("kind").order_by("kind", "value")
    return SplitPreview(
        going=[identifier for identifier in identifiers if identifier.pk in going.identifiers],
        staying=[identifier for identifier in identifiers if identifier.pk not in going.identifiers],
        hand_made=[row for follower in all_followers() for row in follower.hand_made(parted)],
    )


def root_of(profile: Profile) -> int:
    """The profile that stands for the person now."""
    return profile.merged_into_id or profile.pk


def locked_tree(profile: Profile) -> Tree:
    """How the person was put together, under the identity lock, with all their profiles locked in the order of id."""
    advisory_lock("identity")
    root = root_of(Profile.objects.get(pk=profile.pk))
    lock_whole([root])
    return load_tree(root)


def lock_whole(roots: Sequence[int]) -> None:
    """Lock these people, with all that were merged into them, in the order of id; under the identity lock."""
    whole = Profile.objects.filter(Q(pk__in=roots) | Q(merged_into__in=roots))
    list(whole.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def chosen_identifiers(tree: Tree, identifiers: Iterable[Identifier]) -> set[int]:
    chosen = {identifier.pk for identifier in identifiers}
    if not chosen:
        raise IdentityError(_("Name at least one identifier to split off."))
    if chosen - tree.homes.keys():
        raise IdentityError(_("One of these identifiers is not of this person."))
    return chosen


def taken_back(tree: Tree, merge: ProfileMerge) -> Going:
    """What goes with the absorbed of a merge. Raises IdentityError where one side would be nobody."""
    going = undoing(tree, merge.absorbed_id)
    if not going.identifiers:
        raise IdentityError(
            _("None of the identifiers that this merge brought is there any more; nothing is left to take back.")
        )
    check(tree, going)
    return going


def check(tree: Tree, going: Going) -> None:
    if not tree.homes.keys() - going.identifiers:
        raise IdentityError(_("Nothing would stay: a person needs at least one identifier."))
    check_pairs(going.identifiers, tree.homes.keys() - going.identifiers)


def check_not_undone(merge: ProfileMerge) -> None:
    if merge.undone_at is not None:
        raise IdentityError(_("This merge was undone already."))


def part(
    tree: Tree,
    going: Going,
    *,
    to: Profile,
    merge_id: int | None,
    along: Collection[str],
    user: User | None,
    now: datetime,
) -> Profile:
    """Move what goes, and tell everybody who follows; feeds last. `merge_id` is the merge that is undone by this."""
    undone = [] if merge_id is None else [merge_id]
    ProfileMerge.objects.filter(pk__in=undone).update(undone_at=now, undone_by=user)
    parted = Parted(
        from_id=tree.root,
        to_id=to.pk,
        identifiers=sorted(going.identifiers),
        origins=sorted(going.nodes),
        undone=undone,
        rehung=[
            *(Rehung(edge.merge_id, to.pk, to.pk, tree.below(edge.absorbed) & going.nodes) for edge in going.moved),
            *(
                Rehung(edge.merge_id, parent_id, tree.root, tree.below(edge.absorbed) - going.nodes)
                for edge, parent_id in going.left.items()
            ),
        ],
        chosen=frozenset(along),
    )
    split = ProfileSplit.objects.create(
        from_profile_id=tree.root,
        to_profile=to,
        merge_id=merge_id,
        identifiers=parted.identifiers,
        split_at=now,
        split_by=user,
    )
    for follower in all_followers():
        if not follower.writes_feed:
            follower.split(parted, now=now)
    separate(split, going.identifiers, tree.homes.keys() - going.identifiers)
    for profile_id in (tree.root, to.pk):
        restore_seen(profile_id)
    fold_into_profiles([tree.root, to.pk])
    retell([tree.root, to.pk])
    enqueue_changes([tree.root, to.pk], SPLIT, due_at=now)
    enqueue_coming([tree.root, to.pk], now=now)
    for follower in all_followers():
        if follower.writes_feed:
            follower.split(parted, now=now)
    write_split(parted, now=now)
    return Profile.objects.get(pk=to.pk)


def reopen_conflicts(going: Collection[int], staying: Collection[int], *, user: User | None, now: datetime) -> None:
    """Open the settled conflicts across the cut: what settled them is taken back. Under the identity lock.

    Not at a split, which is a decision of its own: there the two are apart since somebody wants them to be.
    """
    here, there = list(going), list(staying)
    across = Q(anchor__in=here, left_out__in=there) | Q(anchor__in=there, left_out__in=here)
    settled = IdentityConflict.objects.filter(across, state=IdentityConflict.State.SETTLED)
    chosen = list(settled.order_by("pk").select_for_update())
    IdentityConflict.objects.filter(pk__in=[conflict.pk for conflict in chosen]).update(
        state=IdentityConflict.State.OPEN, settled_by=user, settled_at=now
    )
    if user is not None:
        before, after = IdentityConflict.State.SETTLED.value, IdentityConflict.State.OPEN.value
        write_changes(user, chosen, before={"state": before}, after={"state": after})


def restore_seen(profile_id: int) -> None:
    """A person was seen when one of their identifiers was, and last when they last did something."""
    identifiers = Identifier.objects.filter(profile=profile_id).values_list("pk", flat=True)
    first_seen_at, last_seen_at = first_and_last_seen(identifiers)
    Profile.objects.filter(pk=profile_id).update(first_seen_at=first_seen_at)
    write_last_sights({profile_id: last_seen_at})


def first_and_last_seen(identifier_ids: Iterable[int]) -> tuple[datetime, datetime]:
    """Of the owner of these identifiers, at least one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH identifier AS (
                SELECT id, profile_id, first_seen_at FROM profiles_identifier WHERE id = ANY(%s)
            )
            SELECT min(identifier.first_seen_at), greatest(max(identifier.first_seen_at), (
                SELECT max(event.occurred_at)
                FROM profiles_event AS event
                WHERE event.profile_id = ANY(ARRAY(SELECT profile_id FROM identifier))
                    AND event.anchor_id = ANY(ARRAY(SELECT id FROM identifier))
            ))
            FROM identifier
            """,
            [list(identifier_ids)],
        )
        first_seen_at, last_seen_at = cursor.fetchone()
        return first_seen_at, last_seen_at

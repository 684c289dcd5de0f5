"""Joining identifiers in memory, as far as limits allow."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from profiles.identity.groups import Absorbed, Group, Groups, Key, LeftOut, Link, Standing, are_apart, keep_apart

AT = datetime(2026, 1, 1, tzinfo=UTC)
USER, PHONE, DEVICE = 1, 2, 3
u1, u2, p1, p2, d1 = Key(USER, "u1"), Key(USER, "u2"), Key(PHONE, "p1"), Key(PHONE, "p2"), Key(DEVICE, "d1")


def groups_of(*keys, limits):
    groups = Groups(limits)
    for key in keys:
        groups.add_new(key)
    return groups


def link(*keys, at=0):
    return Link(AT + timedelta(minutes=at), f"m{at}", 1, keys)


def standing(number, *, seen=0):
    return Standing(AT + timedelta(days=seen), UUID(int=number), number)


def test_a_device_stays_with_whom_it_was_first():
    groups = groups_of(u1, u2, d1, limits={USER: 1})
    groups.join(link(u1, d1))

    kept, left_out = groups.join(link(u2, d1))

    assert kept == [u2]
    assert left_out == [LeftOut(d1, USER)]
    assert groups.find(d1) is groups.find(u1)


def test_what_is_left_out_does_not_keep_others_out():
    groups = groups_of(u1, u2, d1, p1, limits={USER: 1})
    groups.join(link(u1, d1))

    kept, _left_out = groups.join(link(u2, d1, p1))

    assert kept == [u2, p1]


def test_two_of_a_limited_kind_in_one_message_stay_apart():
    groups = groups_of(u1, u2, limits={USER: 1})

    assert groups.join(link(u1, u2)) == ([u1], [LeftOut(u2, USER)])


def test_a_limit_of_two_takes_two():
    p3 = Key(PHONE, "p3")
    groups = groups_of(u1, p1, p2, p3, limits={PHONE: 2})

    assert groups.join(link(u1, p1, p2, p3)) == ([u1, p1, p2], [LeftOut(p3, PHONE)])


def test_a_limit_lowered_later_does_not_keep_out_other_kinds():
    groups = Groups({PHONE: 1})
    groups.add(p1, Group(standing(1), {PHONE: 3}))
    groups.add_new(d1)
    groups.add_new(p2)

    assert groups.join(link(p1, d1)) == ([p1, d1], [])
    assert groups.join(link(p1, p2)) == ([p1], [LeftOut(p2, PHONE)])


def test_the_oldest_profile_survives_and_each_other_names_the_link_that_joined_it():
    groups = Groups({})
    for key, profile in [(u1, standing(1, seen=2)), (p1, standing(2, seen=1)), (d1, standing(3, seen=3))]:
        groups.add(key, Group(profile))
    first, second = link(u1, d1, at=10_001), link(u1, p1, at=10_002)

    groups.join(first)
    groups.join(second)

    root = groups.find(d1)
    assert root.profile == standing(2, seen=1)
    assert root.absorbed == [
        Absorbed(standing(3, seen=3), standing(1, seen=2), first),
        Absorbed(standing(1, seen=2), standing(2, seen=1), second),
    ]


def test_a_separation_binds_directly_and_through_others():
    groups = Groups({})
    ann, bob = Group(standing(1)), Group(standing(2))
    groups.add(p1, ann)
    groups.add(p2, bob)
    groups.add_new(d1)
    keep_apart(ann, bob)

    assert groups.join(link(p1, p2)) == ([p1], [LeftOut(p2, None)])
    assert groups.join(link(p1, d1)) == ([p1, d1], [])
    assert groups.join(link(d1, p2)) == ([d1], [LeftOut(p2, None)])
    assert groups.join(link(p2, d1)) == ([p2], [LeftOut(d1, None)])


def test_who_takes_in_somebody_separated_is_separated_too():
    groups = Groups({})
    ann, bob, cleo = (Group(standing(n)) for n in (1, 2, 3))
    for key, group in [(p1, ann), (p2, bob), (d1, cleo)]:
        groups.add(key, group)
    keep_apart(ann, bob)

    groups.join(link(d1, p2))

    assert groups.join(link(d1, p1)) == ([d1], [LeftOut(p1, None)])


keys = st.builds(Key, st.sampled_from([USER, PHONE, DEVICE]), st.sampled_from("abcde"))
links = st.lists(st.lists(keys, min_size=1, max_size=4, unique=True).map(sorted), max_size=25)


def components(groups, all_keys):
    found = {}
    for key in all_keys:
        found.setdefault(groups.find(key), set()).add(key)
    return {frozenset(component) for component in found.values()}


@given(links, st.randoms(use_true_random=False))
def test_without_limits_any_order_puts_the_same_together(said, random):
    all_keys = {key for keys in said for key in keys}
    shuffled = random.sample(said, len(said))

    one, other = groups_of(*all_keys, limits={}), groups_of(*all_keys, limits={})
    for keys in said:
        one.join(link(*keys))
    for keys in shuffled:
        other.join(link(*keys))

    assert components(one, all_keys) == components(other, all_keys)


@given(links, st.fixed_dictionaries({USER: st.integers(1, 2), PHONE: st.integers(1, 3)}))
def test_a_limit_is_never_exceeded(said, limits):
    all_keys = {key for keys in said for key in keys}
    groups = groups_of(*all_keys, limits=limits)
    for keys in said:
        kept, left_out = groups.join(link(*keys))
        assert sorted([*kept, *(key for key, _kind in left_out)]) == sorted(keys)
        assert {groups.find(key) for key in kept} == {groups.find(keys[0])}

    for component in components(groups, all_keys):
        for kind_id, limit in limits.items():
            assert sum(key.kind_id == kind_id for key in component) <= limit


@given(links, st.sets(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=6))
def test_separated_groups_never_come_together(said, pairs):
    all_keys = sorted({Key(kind, value) for kind in (USER, PHONE, DEVICE) for value in "abcde"})
    groups = Groups({})
    of_key = {key: Group(standing(number)) for number, key in enumerate(all_keys, start=1)}
    for key, group in of_key.items():
        groups.add(key, group)
    apart = [(all_keys[one], all_keys[other]) for one, other in sorted(pairs) if one != other]
    for one, other in apart:
        keep_apart(of_key[one], of_key[other])
    for keys in said:
        kept, left_out = groups.join(link(*keys))
        assert sorted([*kept, *(key for key, _kind in left_out)]) == sorted(keys)
        assert all(are_apart(groups.find(keys[0]), groups.find(key)) for key, _kind in left_out)

    assert all(groups.find(one) is not groups.find(other) for one, other in apart)

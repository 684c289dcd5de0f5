"""Which links change nothing about who is who."""

from datetime import UTC, datetime, timedelta

from profiles.identity.foresight import settle
from profiles.identity.groups import Key, Link
from profiles.identity.identifiers import Known, telling

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN, ANNS_DEVICE, BOB, CAT, NEW = (Key(1, name) for name in ("ann", "device", "bob", "cat", "new"))
KNOWN = {
    ANN: Known(1, 10, None, START),
    ANNS_DEVICE: Known(2, 10, None, START),
    BOB: Known(3, 20, None, START),
    CAT: Known(4, 30, 7, START),
}


def link(*keys, at=1, import_id=None):
    return Link(START + timedelta(minutes=at), "m", 1, keys, {}, import_id)


def settled(links, places=None):
    owners = {key: identifier.profile_id for key, identifier in KNOWN.items()}
    return settle(links, range(len(links)) if places is None else places, owners)


def test_links_of_one_known_person_are_settled():
    assert settled([link(ANN), link(ANNS_DEVICE, ANN), link(BOB)]) == ({0: 10, 1: 10, 2: 20}, set())


def test_links_of_whom_another_link_names_beside_somebody_are_not_settled():
    links = [link(ANN, at=4), link(BOB), link(ANNS_DEVICE, NEW, at=3), link(NEW, at=2)]

    assert settled(links) == ({1: 20}, {10})


def test_two_known_people_in_one_link_are_not_settled():
    assert settled([link(ANN, BOB), link(CAT)]) == ({1: 30}, {10, 20})


def test_places_that_are_not_asked_about_tell_nothing():
    assert settled([link(ANN), link(ANN, BOB), link(CAT)], [0, 2]) == ({0: 10, 2: 30}, set())


def test_links_tell_of_an_earlier_time_and_of_what_an_import_made():
    earlier, imported = link(ANN, at=-1), link(CAT, import_id=7)

    assert telling([link(ANN), earlier, link(BOB, ANN, at=0), imported], KNOWN) == [earlier, imported]

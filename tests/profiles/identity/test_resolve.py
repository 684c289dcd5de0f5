"""Which links change nothing about who is who."""

from datetime import UTC, datetime, timedelta

from profiles.identity.groups import Key, Link
from profiles.identity.identifiers import Known, telling
from profiles.identity.resolve import settle

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


def test_links_of_one_known_person_are_settled():
    assert settle([link(ANN), link(ANNS_DEVICE, ANN), link(BOB)], KNOWN) == ({0: 10, 1: 10, 2: 20}, [])


def test_links_of_whom_another_link_names_beside_somebody_are_not_settled_and_come_in_the_order_of_time():
    links = [link(ANN, at=4), link(BOB), link(ANNS_DEVICE, NEW, at=3), link(NEW, at=2)]

    assert settle(links, KNOWN) == ({1: 20}, [3, 2, 0])


def test_two_known_people_in_one_link_are_not_settled():
    assert settle([link(ANN, BOB), link(CAT)], KNOWN) == ({1: 30}, [0])


def test_links_tell_of_an_earlier_time_and_of_what_an_import_made():
    earlier, imported = link(ANN, at=-1), link(CAT, import_id=7)

    assert telling([link(ANN), earlier, link(BOB, ANN, at=0), imported], KNOWN) == [earlier, imported]

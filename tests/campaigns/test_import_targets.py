"""Addresses not to be written to, from a file."""

import pytest
from django.db import transaction

from campaigns.import_targets import SuppressionTarget
from campaigns.models import Delivery, Suppression
from campaigns.services.deliver import deliver_due
from campaigns.services.suppressions import suppress_address
from cdp.runs import execute_run
from profiles.imports.check import check
from profiles.imports.facts import FileFacts
from profiles.models import IdentifierKind
from profiles.services.imports import guess_mapping, preview_take_back, take_back
from tests.elsewhere import Elsewhere
from tests.factories.campaigns import DeliveryFactory, ReachableFactory
from tests.factories.cdp import UserFactory
from tests.profiles.conftest import load, till  # noqa: F401
from tests.profiles.imports.files import NOW

pytestmark = pytest.mark.django_db
LIST = "Mail,Why,Only\nAnn@Example.com,bounced,yes\nbob@example.com,asked us to,no\nbroken,bounced,yes\n"
MAPPING = {
    "identifiers": {"Mail": "email"},
    "suppressions": [{"kind": "email", "channel": "email", "reason": {"column": "Why"}, "when": {"column": "Only"}}],
}


def test_a_list_of_addresses_of_several_kinds_in_one_column_is_guessed_and_taken_in(load, till):  # noqa: F811
    cells = ["ann@example.com", "13800138000", "bob@example.com", "13800138001", "13800138002"]
    facts = FileFacts("csv", "utf-8", ",", ("地址",), tuple({"地址": cell} for cell in cells))
    guessed = guess_mapping(facts, source=till)["identifiers"]
    assert guessed == {"地址": ["email", "phone"]}
    mapping = {"identifiers": guessed, "suppressions": [{"channel": ""}]}

    import_ = load("\n".join(["地址", *cells, "nobody", ""]), mapping)

    assert set(Suppression.objects.values_list("kind__key", "value", "channel")) == {
        ("email", "ann@example.com", ""),
        ("email", "bob@example.com", ""),
        *(("phone", f"+861380013800{n}", "") for n in range(3)),
    }
    assert import_.counts["refused_rows"] == ["7: 地址"]
    assert "“nobody” is not usable as “Email / Phone”" in import_.refused_file.open().read().decode()


def test_a_list_of_addresses_need_not_be_of_people(load):  # noqa: F811
    expected = load(LIST, MAPPING, dry_run=True).dry_run_counts

    import_ = load(LIST, MAPPING)

    assert list(Suppression.objects.values_list("value", "channel", "reason", "source__key")) == [
        ("ann@example.com", "email", "bounced", "till")
    ]
    assert (import_.counts["suppressions"], import_.counts["refused"]) == (1, 1)
    assert (expected["suppressions"], expected["refused"]) == (1, 1)
    assert load(LIST, MAPPING).counts["suppressions_unchanged"] == 1


def test_who_is_on_the_list_is_not_written_to(load, now):  # noqa: F811
    profile = ReachableFactory()
    address = profile.identifiers.get(kind__key="email").value
    delivery = DeliveryFactory(profile=profile, not_before=now)
    load(f"Mail,Why,Only\n{address},bounced,yes\n", MAPPING)

    deliver_due(now=now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason, delivery.detail) == (
        Delivery.State.SUPPRESSED, Delivery.Reason.SUPPRESSED, "bounced",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "is_suppressed"), [("", True), ("email", True), ("sms", False)], ids=["all", "this", "another"]
)
def test_a_suppression_counts_on_its_channel(channel, is_suppressed, load):  # noqa: F811
    load(
        "Mail\nann@example.com\n",
        {"identifiers": {"Mail": "email"}, "suppressions": [{"kind": "email", "channel": channel}]},
    )

    found = Suppression.objects.of_addresses(["ann@example.com", "bob@example.com"], kind="email", channel="email")

    assert found == ({"ann@example.com": ""} if is_suppressed else {})


def test_the_channel_may_stand_in_a_column(load):  # noqa: F811
    """By key or as it is called; who says nothing of channels, or all, is not written to on any."""
    cells = {
        "ann": "SMS",
        "bob": "短信、邮件",
        "cyd": "",
        "dan": "全部",
        "eve": "email/全部渠道",
        "fox": "fax",
        "gil": "电话",
    }
    content = "\n".join(["Mail;Channel", *(f"{name}@example.com;{cell}" for name, cell in cells.items()), ""])
    mapping = {"identifiers": {"Mail": "email"}, "suppressions": [{"channel": {"column": "Channel"}}]}

    import_ = load(content, mapping | {"delimiter": ";"})

    found = Suppression.objects.order_by("value", "channel").values_list("value", "channel")
    assert [(value[:3], channel) for value, channel in found] == [
        ("ann", "sms"), ("bob", "email"), ("bob", "sms"), ("cyd", ""), ("dan", ""), ("eve", ""), ("gil", "phone")
    ]  # fmt: skip
    assert import_.counts["refused_rows"] == ["7: Channel"]
    assert "unknown channel “fax”; known: email, sms" in import_.refused_file.open().read().decode()


def test_taken_back_the_addresses_go(load):  # noqa: F811
    import_ = load(LIST, MAPPING)

    assert preview_take_back(import_).counts == {"suppressions": 1}
    execute_run(take_back(import_, user=None).pk, now=NOW)

    assert not Suppression.objects.exists()


def test_the_same_list_twice_changes_nothing(load):  # noqa: F811
    load(LIST, MAPPING)
    before = list(Suppression.objects.order_by("pk").values())

    again = load(LIST, MAPPING)

    assert again.counts["suppressions_unchanged"] == 1
    assert list(Suppression.objects.order_by("pk").values()) == before


def test_what_another_file_says_too_stays_when_the_first_is_taken_back(load):  # noqa: F811
    import_ = load(LIST, MAPPING)
    load("Mail,Why,Only\nann@example.com,asked,yes\n", MAPPING)

    execute_run(take_back(import_, user=None).pk, now=NOW)

    assert list(Suppression.objects.values_list("value", "reason")) == [("ann@example.com", "bounced")]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_address_added_by_hand_while_its_import_is_taken_back_is_there(load):  # noqa: F811
    import_, user = load(LIST, MAPPING), UserFactory()
    answers = []

    def add():
        email = IdentifierKind.objects.get(key="email")
        answers.append(suppress_address(email, "ann@example.com", channel="email", reason="asked", user=user, now=NOW))

    with transaction.atomic():
        SuppressionTarget().take_back(import_.pk, now=NOW, limit=10)
        waiting = Elsewhere(add)
        assert waiting.come_as_far_as_it_can()
    waiting.finish()

    ((suppression, is_new),) = answers
    assert is_new
    assert list(Suppression.objects.values_list("pk", "reason", "user")) == [(suppression.pk, "asked", user.pk)]


@pytest.mark.parametrize(
    ("part", "path", "message"),
    [
        ({"kind": "carte"}, "suppressions[0].kind", "unknown kind of identifier “carte”"),
        ({"kind": "email", "channel": "fax"}, "suppressions[0].channel", "unknown channel “fax”; known: email"),
        ({"channel": 5}, "suppressions[0].channel", "neither a text nor {“column”: …}"),
    ],
    ids=["kind", "channel", "channel of no kind"],
)
def test_a_bad_part_is_named_by_its_place(part, path, message):
    _parsed, problems = check(MAPPING | {"suppressions": [part]}, kinds={"email"})

    assert problems[0].path == path
    assert message in problems[0].message

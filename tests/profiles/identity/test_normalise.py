"""Identifiers written in many ways are one; what names nobody is nothing."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from profiles.identity.normalise import _normalisers, normalise
from profiles.models import IdentifierKind
from profiles.normalisers.email import email


def kind(normaliser, **fields):
    return IdentifierKind(key="k", normaliser=normaliser, **fields)


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+86 138 0013 8000",
        "0086 13800138000",
        "008613800138000",
        "86 13800138000",
        "(+86) 138.0013.8000",
        "１３８００１３８０００",
        "＋８６ １３８ ００１３ ８０００",
        "　13800138000\t",
    ],
)
def test_one_phone_number_written_in_many_ways_is_one(written):
    assert normalise(kind("phone"), written, "CN") == "+8613800138000"


@pytest.mark.parametrize("unseen", ["\u00ad", "\u200b", "\u200e", "\u2066", "\ufeff"])
def test_characters_that_nobody_sees_make_no_difference_and_name_nobody(unseen):
    assert normalise(kind("text"), f"{unseen}U1{unseen}", "CN") == "U1"
    assert normalise(kind("phone"), f"138{unseen}00138000", "CN") == "+8613800138000"
    assert normalise(kind("text"), unseen, "CN") is None
    assert normalise(kind("text"), f"null{unseen}", "CN") is None


def test_region_decides_the_country_of_a_number_without_one():
    assert normalise(kind("phone"), "(415) 555-2671", "US") == "+14155552671"
    assert normalise(kind("phone"), "+1 415 555 2671", "CN") == "+14155552671"


@pytest.mark.parametrize("written", ["12345", "11111111111", "ann", "010-88888888 ext. 5", "+999 1"])
def test_what_cannot_be_dialled_is_no_phone_number(written):
    assert normalise(kind("phone"), written, "CN") is None


def test_email_is_compared_without_case():
    assert normalise(kind("email"), " Ann@Example.COM ", "CN") == "ann@example.com"


@pytest.mark.parametrize("written", ["ann", "ann@", "@example.com", "null@null", "a@b@c.com"])
def test_what_cannot_be_mailed_is_no_email(written):
    assert normalise(kind("email"), written, "CN") is None


@given(
    st.from_regex(
        r"[A-Za-z0-9._+-]{1,70}@[A-Za-z0-9.-]{1,20}\.?(com|cn|co\.uk|localhost|test|xn--p1ai)?", fullmatch=True
    )
)
@example("Ann@xn--bcher-kva.example.com")
@example("a..b@example.com")
@example("-a@-example.com")
def test_an_email_written_plainly_is_judged_as_any_other(written):
    try:
        judged = validate_email(written, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        judged = None

    assert email(written, "CN") == judged


def test_card_is_compared_without_spaces_dashes_and_case():
    assert normalise(kind("card"), "vip 0012-3456", "CN") == "VIP00123456"


def test_text_keeps_its_case():
    assert normalise(kind("text"), " oUpF8uMuAJO_M2pxb1Q9zNjWeS6o ", "CN") == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.mark.parametrize(
    "value",
    ["", " ", "null", "NULL", "undefined", "None", "NaN", "0", "000", "00000000000", "-1", "anonymous", "Guest",
     "empty", "00000000-0000-0000-0000-000000000000", "[object Object]", "ｎｕｌｌ", "０００"],
)  # fmt: skip
@pytest.mark.parametrize("normaliser", sorted(_normalisers))
def test_values_that_name_nobody_are_blocked_for_every_kind(normaliser, value):
    assert normalise(kind(normaliser), value, "CN") is None


def test_a_kind_blocks_values_of_its_own_in_their_normalised_spelling():
    shop = kind("phone", blocked_values=["+8613800138000"])

    assert normalise(shop, "138 0013 8000", "CN") is None


def test_a_text_longer_than_the_column_is_no_identifier():
    assert normalise(kind("text"), "x" * 401, "CN") is None


@given(
    st.sampled_from(sorted(_normalisers)), st.text() | st.emails() | st.from_regex(r"[+0-9 ()-]{6,16}", fullmatch=True)
)
@example("card", "ΐ")
def test_normalising_twice_equals_once(normaliser, value):
    once = normalise(kind(normaliser), value, "CN")

    assert once is None or normalise(kind(normaliser), once, "CN") == once

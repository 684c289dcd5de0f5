"""Guessed mappings, previews of rows, and dry runs that count what the import then does."""

import pytest
from django.core.files.base import ContentFile

from profiles.imports.errors import ImportFileError
from profiles.models import AttributeDefinition, Event, Profile
from profiles.services.imports import (
    check_mapping,
    create_import,
    equal_imports,
    guess_mapping,
    inspect_file,
    preview_rows,
)
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW, SALES, SALES_MAPPING

pytestmark = pytest.mark.django_db
TILL = (
    "会员卡号,手机号,姓名,性别,生日,邮箱,积分,短信订阅,门店,更新时间\n"
    "VIP1,13800138000,张三,男,1990/1/31,zhang@example.com,120,是,徐汇店,2026-01-01 10:00\n"
    "VIP2,13900139000,李四,女,1991/2/1,,80,否,静安店,2026-01-02 10:00\n"
)
ORDERS = (
    "订单号,会员卡号,金额,下单时间,品类,件数\nR1,VIP1,99.50,2026-01-02 10:00,茶,2\nR2,VIP2,10,2026-01-03 10:00,酒,1\n"
)


@pytest.fixture
def look(tmp_path, till):
    def look(content, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode("gb18030"))
        facts = inspect_file(path)
        return path, facts, guess_mapping(facts, source=till)

    return look


def test_a_file_of_members_is_understood_by_its_names(look):
    _path, facts, mapping = look(TILL)

    assert facts.encoding == "gb18030"
    assert mapping == {
        "identifiers": {"会员卡号": "member_card", "手机号": "phone", "邮箱": "email"},
        "traits": {
            "姓名": "name",
            "性别": "gender",
            "生日": {"key": "birthday", "type": "date"},
            "积分": {"key": "points", "type": "number"},
            "门店": "门店",
        },
        "consents": {"短信订阅": "sms"},
        "time": "更新时间",
    }
    assert check_mapping(mapping, facts=facts) == []


def test_without_a_header_only_what_cells_tell_is_guessed(tmp_path, till):
    path = tmp_path / "members.csv"
    path.write_text("13800138000,张三,上海\n13900139000,李四,上海\n")

    facts = inspect_file(path, has_header=False)

    assert (facts.columns, len(facts.sample), facts.sample[0]["2"]) == (("1", "2", "3"), 2, "张三")
    assert guess_mapping(facts, source=till) == {"header": False, "identifiers": {"1": "phone"}}


def test_a_file_of_orders_becomes_events(look):
    _path, facts, mapping = look(ORDERS)

    assert mapping == {
        "identifiers": {"会员卡号": "member_card"},
        "event": "Order Completed",
        "properties": {
            "订单号": {"key": "order_id", "type": "text"},
            "金额": {"key": "total", "type": "number"},
            "品类": "品类",
            "件数": {"key": "件数", "type": "number"},
        },
        "message_id": ["订单号"],
        "time": "下单时间",
    }
    assert check_mapping(mapping, facts=facts) == []


def test_english_names_and_cells_tell_too(look):
    people = look("Customer No.,E-Mail,Full Name,Newsletter\nC1,ann@example.com,Ann,yes\n")[2]
    cells = look("a,b,c,d\nann@example.com,13800138000,007,2026-01-02\nbob@example.com,13900139000,008,2026-01-03\n")[2]

    assert people == {
        "identifiers": {"E-Mail": "email", "Customer No.": "user_id"},
        "traits": {"Full Name": "name"},
        "consents": {"Newsletter": "email"},
    }
    assert cells == {
        "identifiers": {"a": "email", "b": "phone"},
        "traits": {"c": "c", "d": {"key": "d", "type": "date"}},
    }


@pytest.mark.parametrize(
    ("column", "channel"),
    [
        ("短信授权", "sms"), ("邮件授权", "email"), ("是否同意接收微信", "wechat"), ("电话营销授权", "phone"),
        ("Accepts Email Marketing", "email"), ("sms_marketing_consent", "sms"), ("App", None),
    ],
)  # fmt: skip
def test_consents_are_told_by_the_names_of_all_channels(column, channel, look):
    """A no that was taken for an attribute would be heard by nobody."""
    mapping = look(f"会员卡号,{column}\nC1,否\nC2,也许\n")[2]

    assert mapping.get("consents", {}) == ({column: channel} if channel else {})
    assert mapping.get("traits", {}).keys() == (set() if channel else {column})


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("会员卡号,行为,时间", "C1,到店,2026/11/3 10:05\nC2,到店,2026/11/3 25:05"),
        ("Card,Order No,Date", "C1,O1,2026-11-03"),
    ],
)
def test_a_time_called_just_so_is_that_of_the_events(header, row, look):
    mapping = look(f"{header}\n{row}\n")[2]

    assert mapping["time"] == header.split(",")[2]


def test_columns_called_like_channels_that_say_yes_or_no_are_consents(look):
    """邮件 and 电话 are names of addresses too: a 退订 taken for one would be passed over."""
    mapping = look("手机,短信,邮件,电话,微信\n13800138000,是,否,,同意\n13800138001,退订,订阅,Y,N\n")[2]

    assert mapping == {
        "identifiers": {"手机": "phone"},
        "consents": {"短信": "sms", "邮件": "email", "电话": "phone", "微信": "wechat"},
    }


def test_addresses_are_no_consent(look):
    mapping = look("会员卡号,邮箱,接收邮箱\nC1,a@example.com,b@example.com\n")[2]

    assert mapping["identifiers"] == {"会员卡号": "member_card", "邮箱": "email"}
    assert "consents" not in mapping


def test_numbers_with_a_decimal_comma_are_told_by_their_cells(look):
    """A column at a time, so that 1,234 among them is no thousand; between commas they are something else."""
    text = "Card;Points;Weight;Sizes\nVIP1;1,234;1,234;7\nVIP2;80;0,125;8\nVIP3;7;12,5 €;9\n"

    traits = look(text)[2]["traits"]

    assert traits["Weight"] == {"key": "Weight", "type": "number", "format": "1.234,5"}
    assert [traits[name].get("format", "") for name in ("Points", "Sizes")] == ["", ""]
    by_commas = look('Card,Sizes\nVIP1,"38,5"\nVIP2,"7,8"\n')[2]
    assert by_commas["traits"] == {"Sizes": "Sizes"}


@pytest.mark.parametrize(
    ("type_", "cells", "said"),
    [
        ("text", "1 2", "level"),
        ("number", "gold 2", {"key": "level", "type": "number"}),
        ("list", "tea;wine tea", {"key": "level", "type": "list", "split": ";"}),
        ("list", "tea wine", {"key": "level", "type": "list"}),
    ],
)
@pytest.mark.parametrize("head", ["level", "Level", "会员等级"])
def test_a_column_called_like_an_attribute_is_read_as_that(look, type_, cells, said, head):
    AttributeDefinition.objects.create(key="level", label="会员等级", type=type_)

    mapping = look("手机号,{}\n{}\n".format(head, "\n".join(f"13800138000,{cell}" for cell in cells.split())))[2]

    assert mapping["traits"] == {head: said}


def test_of_several_columns_called_like_one_attribute_that_with_its_key_is_it(look):
    AttributeDefinition.objects.create(key="level", label="会员等级", type="text")
    AttributeDefinition.objects.filter(key="city").update(type="list")

    mapping = look("手机号,会员等级,等级,level,LEVEL,城市,city\n13800138000,1,1,2,3,Oslo,4\n")[2]

    assert mapping["traits"] == {
        "会员等级": {"key": "会员等级", "type": "number"},
        "等级": {"key": "等级", "type": "number"},
        "level": "level",
        "LEVEL": {"key": "LEVEL", "type": "number"},
        "城市": {"key": "city", "type": "list"},
        "city": {"key": "city", "type": "list"},
    }


def test_nobody_is_guessed_where_nothing_says_who(look):
    _path, facts, mapping = look("x,y\n1,2\n")

    assert [problem.path for problem in check_mapping(mapping, facts=facts)] == ["identifiers"]


def test_a_preview_shows_rows_as_they_would_be_understood(look, till):
    path, facts, mapping = look(TILL + "VIP3,000,王五,男,1990-02-30,,x,也许,,2026-01-01\n")

    first, _second, third = preview_rows(path, mapping, facts=facts, source=till, n=5, now=NOW)

    assert first.identifiers == (
        ("member_card", "VIP1"), ("phone", "+8613800138000"), ("email", "zhang@example.com"),
    )  # fmt: skip
    assert first.attributes == {
        "name": "张三",
        "gender": "男",
        "birthday": "1990-01-31",
        "points": 120,
        "门店": "徐汇店",
    }
    assert (first.consents, first.occurred_at) == ({"sms": "granted"}, "2026-01-01T02:00:00+00:00")
    assert (first.problems, first.is_refused) == ((), False)
    assert third.is_refused
    assert [(problem.column, problem.is_refusal) for problem in third.problems] == [
        ("生日", True), ("积分", True), ("短信订阅", True), ("手机号", False),
    ]  # fmt: skip
    assert not Profile.objects.exists()


@pytest.mark.parametrize(
    ("content", "mapping"), [(MEMBERS, MEMBERS_MAPPING), (SALES, SALES_MAPPING)], ids=["people", "events"]
)
def test_a_dry_run_counts_what_the_import_does(load, monkeypatch, content, mapping):
    """Also over the edges of batches, and when all of it is known."""
    from profiles.imports import engine

    monkeypatch.setattr(engine, "BATCH_ROWS", 1)
    untimed = {key: value for key, value in mapping.items() if key != "time"} if "traits" in mapping else mapping
    for said in (mapping, untimed):
        for _time in range(2):
            expected = load(content, said, dry_run=True)
            assert expected.run.state == "succeeded", expected.run.error
            assert expected.dry_run_counts == load(content, said).counts
    assert expected.n_done == 0
    assert Event.objects.exists()


def test_who_uploads_a_file_again_hears_of_it(load, till):
    import_ = load(MEMBERS, MEMBERS_MAPPING)

    again = create_import(ContentFile(MEMBERS.encode()), name="again.csv", source=till, now=NOW)

    assert equal_imports(again) == [import_]
    assert equal_imports(import_) == []


def test_a_file_that_cannot_be_read_is_not_kept(till, settings):
    with pytest.raises(ImportFileError):
        create_import(ContentFile(b""), name="empty.csv", source=till, now=NOW)

    folder = settings.STORAGES["default"]["OPTIONS"]["location"]
    assert [path for path in folder.rglob("*") if path.is_file()] == []

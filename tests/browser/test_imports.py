"""A till's members in GB18030, from the upload in a browser to the corrected rows, taken in by a real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from cdp.models import User
from cdp.roles import OPERATOR
from cdp.servers.data_dir import BASE_DIR
from profiles.models import AttributeDefinition, Import, Profile
from tests.browser.test_admin import sign_in, switch_language
from tests.factories.cdp import UserFactory
from tests.factories.imports import ImportFactory
from tests.factories.profiles import SourceFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
HEADER = "会员卡号,姓名,手机号,生日,城市"
GOOD = [f"C{n:03},会员{n},138001380{n:02},1990-01-{n:02},上海" for n in range(1, 21)]
BAD = ["C091,李四,13800138091,1990-02-30,北京", ",王五,,1991-01-01,广州"]


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """A worker as production starts it, on the database, the broker and the files of the test."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {**os.environ, "DATABASE_URL": database, "DATA_DIR": str(tmp_path), "LANGUAGE_CODE": "en"}
    command = [sys.executable, "-m", "celery", "-A", "cdp", "worker", "--pool", "solo", "--loglevel", "WARNING"]
    process = subprocess.Popen(command, cwd=BASE_DIR, env=environment)
    yield
    process.terminate()
    process.wait(120)


@pytest.fixture
def operator() -> User:
    user: User = UserFactory(role=OPERATOR, username="ann", password="a long password")
    return user


def written(path: Path, rows: list[str]) -> Path:
    path.write_bytes("\r\n".join([HEADER, *rows, ""]).encode("gb18030"))
    return path


def upload(page: Page, file: Path) -> None:
    page.set_input_files("#id_file", file)
    page.get_by_role("button", name="Upload", exact=True).click()
    page.wait_for_url("**/file/")


def test_members_of_a_till_are_mapped_checked_imported_corrected_and_imported(page, worker, operator, tmp_path):
    SourceFactory(key="till", name="Till", kind="file")
    sign_in(page, "ann", "a long password")
    switch_language(page, "en")

    page.goto("/admin/profiles/import/add/")
    upload(page, written(tmp_path / "会员.csv", GOOD + BAD))
    expect(page.locator("#id_encoding")).to_have_value("gb18030")
    expect(page.locator(".st-sheet")).to_contain_text("会员1")
    page.get_by_role("link", name="Next: the columns").click()

    city = page.get_by_label("城市", exact=True)
    expect(city).to_have_value("trait:city")
    city.select_option("trait:*")
    with page.expect_response(lambda answer: "home_town" in (answer.request.post_data or "")):
        page.get_by_label("Key 城市").fill("home_town")
    expect(page.locator("#preview")).to_contain_text("+8613800138001")
    page.reload()
    expect(page.get_by_label("Key 城市")).to_have_value("home_town")

    page.get_by_role("button", name="Check the whole file").click()
    expect(page.locator("#check .st-number").nth(2)).to_have_text("2")
    assert Profile.objects.count() == 0
    page.get_by_role("button", name="Import now").click()

    expect(page.locator("#result .st-number").first).to_have_text("20")
    expect(page.locator("#refused")).to_contain_text("1990-02-30")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the refused rows").click()
    refused = tmp_path / download.value.suggested_filename
    download.value.save_as(refused)
    assert refused.name == "会员.refused.csv"
    text = refused.read_bytes().decode("gb18030")
    assert text.splitlines()[0].endswith(HEADER)
    corrected = tmp_path / "corrected.csv"
    corrected.write_bytes(
        text.replace("1990-02-30", "1990-02-28").replace("王五,,", "王五,13800138092,").encode("gb18030")
    )

    page.get_by_role("link", name="Upload the corrected file").click()
    upload(page, corrected)
    page.get_by_role("link", name="Next: the columns").click()
    page.get_by_role("button", name="Save without a check").click()
    page.get_by_role("button", name="Import at once").click()
    expect(page.locator("#result .st-number").first).to_be_visible()

    assert Profile.objects.filter(attributes__home_town="北京", attributes__birthday="1990-02-28").count() == 1
    assert Import.objects.filter(ended_at__isnull=False).count() == 2


def test_an_attribute_chosen_by_hand_is_read_by_its_type(page, operator):
    """What is no date would be taken in raw, and be nobody's birthday."""
    AttributeDefinition.objects.get_or_create(key="birthday", defaults={"type": "date"})
    text = "Card,Born,Town\nC1,1990/12/31,Basel\n"
    made = ImportFactory(text=text, mapping={"identifiers": {"Card": "member_card"}})
    sign_in(page, "ann", "a long password")
    switch_language(page, "en")
    page.goto(f"/admin/profiles/import/{made.pk}/columns/")

    page.get_by_label("Town", exact=True).select_option("trait:birthday")
    expect(page.locator("#preview")).to_contain_text("“Basel” is not of the type “Date”")
    page.get_by_label("Town", exact=True).select_option("trait:city")
    page.get_by_label("Born", exact=True).select_option("trait:birthday")
    expect(page.locator("#preview")).to_contain_text("1990-12-31")

    made.refresh_from_db()
    assert made.mapping["traits"] == {"Town": "city", "Born": {"key": "birthday", "type": "date"}}


def test_a_column_that_is_chosen_for_something_is_no_new_attribute_too(page, operator):
    """Left as one, each row of a list of addresses would make a customer of it, or merge two."""
    made = ImportFactory(
        text="Phone,Why,Town\n13800138001,complaint,Basel\n",
        mapping={"identifiers": {"Phone": "phone"}, "traits": {"Why": "Why", "Town": "city"}},
    )
    sign_in(page, "ann", "a long password")
    switch_language(page, "en")
    page.goto(f"/admin/profiles/import/{made.pk}/columns/")

    page.get_by_label("Addresses not to be written to").check()
    page.locator("label:has-text('Reason') select").select_option("@Why")
    expect(page.get_by_label("Why", exact=True)).to_have_value("")
    with page.expect_response("**/preview/"):
        page.locator("label:has-text('only where') select").select_option("@Town")
    expect(page.get_by_label("Town", exact=True)).to_have_value("trait:city")
    page.get_by_role("button", name="Save without a check").click()
    page.wait_for_url(f"**/import/{made.pk}/change/")

    made.refresh_from_db()
    assert made.mapping["traits"] == {"Town": "city"}


def test_the_columns_fit_into_a_narrow_window(page, operator):
    text = "会员卡号,出生日期和时间,收货城市\nC1,1990-12-31 08:00:00,上海市浦东新区\n"
    made = ImportFactory(text=text, mapping={"identifiers": {"会员卡号": "member_card"}, "traits": {"收货城市": "区"}})
    sign_in(page, "ann", "a long password")
    page.set_viewport_size({"width": 390, "height": 900})

    page.goto(f"/admin/profiles/import/{made.pk}/columns/")
    expect(page.get_by_label("收货城市", exact=True)).to_have_value("trait:*")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_of_many_columns_some_are_drawn_and_the_others_found(page, operator):
    """A browser draws 2,000 of them, each with its drop-downs, for a minute."""
    names = ["Card", *(f"c{n}" for n in range(250))]
    made = ImportFactory(
        text=f"{','.join(names)}\n{','.join('1' for _name in names)}\n",
        mapping={"identifiers": {"Card": "member_card"}, "traits": {name: name for name in names[1:]}},
    )
    sign_in(page, "ann", "a long password")
    switch_language(page, "en")

    page.goto(f"/admin/profiles/import/{made.pk}/columns/")
    rows = page.locator(".st-columns tbody")
    expect(rows).to_have_count(100)
    expect(page.locator("#preview th")).to_have_count(61)
    expect(page.locator("#preview")).to_contain_text("191 more columns are understood likewise.")
    page.get_by_role("button", name="More columns").click()
    expect(rows).to_have_count(200)
    page.get_by_label("Find a column").fill("C24")
    expect(rows).to_have_count(11)
    with page.expect_response("**/preview/"):
        page.get_by_label("c249", exact=True).select_option("")
    page.get_by_role("button", name="Save without a check").click()
    page.wait_for_url(f"**/import/{made.pk}/change/")

    made.refresh_from_db()
    assert list(made.mapping["traits"]) == names[1:-1]


def test_an_amount_with_a_decimal_comma_stays_one_as_the_value_of_the_event(page, operator):
    made = ImportFactory(
        text="Card;Sum;Day\nV1;1.234,50;2026-01-31\n",
        delimiter=";",
        mapping={
            "identifiers": {"Card": "member_card"},
            "event": "Sold",
            "time": "Day",
            "properties": {"Sum": {"key": "sum", "type": "number", "format": "1.234,5"}},
        },
    )
    sign_in(page, "ann", "a long password")
    switch_language(page, "en")

    page.goto(f"/admin/profiles/import/{made.pk}/columns/")
    with page.expect_response("**/preview/"):
        page.get_by_label("Sum", exact=True).select_option("value")
    expect(page.get_by_label("Format of the number")).to_have_value("1.234,5")
    expect(page.locator("#preview")).to_contain_text("1234.5")
    page.get_by_role("button", name="Save without a check").click()
    page.wait_for_url(f"**/import/{made.pk}/change/")

    made.refresh_from_db()
    assert made.mapping["value"] == {"column": "Sum", "format": "1.234,5"}


@pytest.mark.parametrize(
    ("language", "titles"),
    [("en", ["Imports", "Import a file", "Saved mappings"]), ("zh-hans", ["导入", "导入文件", "已保存的映射"])],
)
def test_the_pages_have_titles_in_both_languages(page, operator, language, titles):
    sign_in(page, "ann", "a long password")
    switch_language(page, language)

    for address, title in zip(("import/", "import/add/", "importmapping/"), titles, strict=True):
        page.goto(f"/admin/profiles/{address}")
        assert title in f"{page.title()} {page.locator('#header-inner').inner_text()}"

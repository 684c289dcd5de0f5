"""The page of a source."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from cdp.roles import VIEWER
from profiles.models import Source, SourceDay
from profiles.models.source import STRATA
from tests.factories.profiles import SourceFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def test_the_page_shows_what_became_of_the_messages_of_thirty_days(admin_client):
    source = SourceFactory()
    today = timezone.localdate()
    SourceDay.objects.create(source=source, day=today, n_messages=12_345, n_rejected=6)
    SourceDay.objects.create(source=source, day=today - timedelta(days=30), n_messages=777)

    page = admin_client.get(reverse("admin:profiles_source_change", args=[source.pk])).content.decode()

    assert "12,345" in page
    assert "777" not in page


def test_the_built_in_source_is_neither_listed_nor_to_be_made(admin_client):
    shop, own = SourceFactory(name="Shop"), Source.objects.get(key=STRATA)

    listed = admin_client.get(reverse("admin:profiles_source_changelist")).context["cl"].result_list
    page = admin_client.get(reverse("admin:profiles_source_change", args=[own.pk]), follow=True).content.decode()
    form = admin_client.get(reverse("admin:profiles_source_add")).content.decode()

    assert listed == [shop]
    assert own.write_key not in page
    assert 'value="till"' in form
    assert "built_in" not in form


def test_help_stands_only_where_something_can_be_filled_in(admin_client):
    page = reverse("admin:profiles_source_change", args=[SourceFactory().pk])
    help_of_rank = "The higher rank wins"

    assert help_of_rank in admin_client.get(page).content.decode()
    assert help_of_rank not in sign_in(VIEWER).get(page).content.decode()

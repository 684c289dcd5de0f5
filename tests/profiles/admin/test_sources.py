"""The page of a source."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from profiles.models import SourceDay
from tests.factories.profiles import SourceFactory

pytestmark = pytest.mark.django_db


def test_the_page_shows_what_became_of_the_messages_of_thirty_days(admin_client):
    source = SourceFactory()
    today = timezone.localdate()
    SourceDay.objects.create(source=source, day=today, n_messages=12_345, n_rejected=6)
    SourceDay.objects.create(source=source, day=today - timedelta(days=30), n_messages=777)

    page = admin_client.get(reverse("admin:profiles_source_change", args=[source.pk])).content.decode()

    assert "12,345" in page
    assert "777" not in page

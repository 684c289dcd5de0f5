"""The page of a segment's size."""

import json
from datetime import timedelta

import pytest
import time_machine

from cdp.roles import OPERATOR
from cdp.rules.days import business_day
from segments.models import SegmentDay
from tests.factories.segments import SegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def test_a_point_of_the_chart_opens_what_the_number_beneath_does(now):
    segment = SegmentFactory()
    today = business_day(now)
    yesterday = today - timedelta(days=1)
    SegmentDay.objects.create(segment=segment, day=yesterday, n_entered=3)
    members = f"/admin/segments/segment/{segment.pk}/members/"

    with time_machine.travel(now, tick=False):
        answer = sign_in(OPERATOR).get(f"/admin/segments/segment/{segment.pk}/sizes/")

    then = f"{members}?as_of={yesterday}T23:59:59.999999"
    assert json.loads(answer.context["chart_opens"]) == [[then, members]]
    assert f'href="{then}"' in answer.content.decode()
    assert json.loads(answer.context["chart"])["datasets"][0]["data"] == [3, 3]

"""People whom a batch makes have the golden record that the database would fold."""

import pytest

from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.ingest.records import fold, load_keeping
from profiles.models import Profile, Survivorship
from tests.factories.profiles import AttributeDefinitionFactory, SourceFactory
from tests.profiles.ingest.messages import START, identify

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("survivorship", Survivorship.values)
def test_one_batch_folds_as_the_database_does(survivorship):
    type_ = "list" if survivorship == Survivorship.UNION else "number"
    AttributeDefinitionFactory(key="points", type=type_, survivorship=survivorship)
    for key, rank in (("shop", 100), ("till", 200), ("app", 200)):
        said = [
            *(identify(user="u1", anonymous="a1", at=at, id=f"{key}{at}", points=(7 * at + rank) % 5) for at in (1, 2)),
            *(identify(user="u2", at=1, id=id_, points=points) for id_, points in (("m1", 1), ("m2", rank))),
            identify(anonymous="a2", at=1, points="many"),
            identify(user="u2", anonymous="a2", at=0, points=rank - 1, name="Ann"),
            identify(anonymous="a3", points=None, name=""),
        ]
        accept_messages(SourceFactory(key=key, rank=rank), said, received_at=START)

    process_batch(now=START)

    stored = dict(Profile.objects.values_list("pk", "attributes"))
    assert len(stored) == 3
    assert stored == fold(list(stored), load_keeping())
    assert {"name", "points"} in map(set, stored.values())

import pytest

from cdp.models import Run
from cdp.rules.types import ValueType
from tags import score_models
from tags.score_models import ScoreField, ScoreModel
from tests.clients import api_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def heat(monkeypatch):
    """One model alone."""
    degrees = ScoreField(ValueType.NUMBER, "Degrees", unit="K")
    feel = ScoreField(ValueType.TEXT, "Feel", choices={"h": "Hot"})
    model = ScoreModel(
        key="heat", label="Heat", fields={"degrees": degrees, "feel": feel}, formula="T", source="Kelvin"
    )
    monkeypatch.setattr(score_models, "_models", {"heat": model})
    return {
        "key": "heat",
        "label": "Heat",
        "formula": "T",
        "source": "Kelvin",
        "fields": [
            {"key": "degrees", "type": "number", "label": "Degrees", "unit": "K", "choices": {}},
            {"key": "feel", "type": "text", "label": "Feel", "unit": "", "choices": {"h": "Hot"}},
        ],
    }


def test_models_say_what_their_fields_mean(heat):
    api = api_of("viewer")

    assert api.send("get", "scores/").json() == {"next": None, "previous": None, "results": [heat]}
    assert api.send("get", "scores/heat/").json() == heat
    assert api.send("get", "scores/cold/").status_code == 404


def test_refresh_queues_a_scoring(heat):
    response = api_of("operator").send("post", "scores/heat/refresh/")

    assert response.status_code == 202
    assert Run.objects.values_list("kind", "subject", "state").get() == ("score", "heat", "queued")
    assert response.json()["id"] == Run.objects.get().pk
    assert api_of("operator").send("post", "scores/cold/refresh/").status_code == 404
    assert api_of("viewer").send("post", "scores/heat/refresh/").status_code == 403
    assert Run.objects.count() == 1

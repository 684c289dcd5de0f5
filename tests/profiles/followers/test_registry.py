"""Nothing that belongs to a person may be forgotten at a merge."""

from django.apps import apps

from profiles.followers import all_followers
from profiles.models import LastSight, Profile


def models_pointing_at_profile():
    return {
        model
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model is Profile
    }


def test_every_model_that_points_at_profile_has_a_follower():
    own = {LastSight}  # each profile keeps its own, merged or not; who merges moves that of the survivor
    without = models_pointing_at_profile() - own - {follower.model for follower in all_followers()}

    assert {model._meta.label for model in without} == set()

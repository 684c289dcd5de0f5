"""What runs of this app worked on, by name."""

from collections.abc import Collection, Mapping

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cdp.subjects import Subject, by_key, name_family
from profiles.masking import Masking
from profiles.models import AttributeDefinition, EventDefinition, Import, Source


def duplicates(keys: Collection[str]) -> Mapping[str, Subject]:
    """All of them together are one thing."""
    return {
        key: Subject(_("Possible duplicates"), reverse("admin:profiles_duplicatesuggestion_changelist")) for key in keys
    }


def imports(keys: Collection[str]) -> Mapping[str, Subject]:
    """By the name of the file, masked for everybody: runs are shown to whoever may see that they are there."""
    found = Import.objects.filter(pk__in=[int(key) for key in keys if key.isdigit()])
    masking = Masking(sees_all=False)
    page = "admin:profiles_import_change"
    return {
        str(pk): Subject(masking.sentence(name), reverse(page, args=[pk]))
        for pk, name in found.values_list("pk", "name")
    }


def events(keys: Collection[str]) -> Mapping[str, Subject]:
    """By their names."""
    found = EventDefinition.objects.filter(name__in=keys).values_list("name", "pk")
    return {name: Subject(name, reverse("admin:profiles_eventdefinition_change", args=[pk])) for name, pk in found}


def everybody(keys: Collection[str]) -> Mapping[str, Subject]:
    """Whoever there is."""
    return {key: Subject(_("All profiles"), reverse("admin:profiles_profile_changelist")) for key in keys}


def every_rule(keys: Collection[str]) -> Mapping[str, Subject]:
    """Whatever rules fill."""
    return {key: Subject(_("All rules")) for key in keys}


name_family("check", every_rule)
name_family("index_moments", everybody)
name_family("import", imports)
name_family("source", by_key(Source))
name_family("attribute", by_key(AttributeDefinition, name="label"))
name_family("event", events)
name_family("find_duplicates", duplicates)
name_family("accept_duplicates", duplicates)

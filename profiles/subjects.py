"""What runs of this app worked on, by name."""

from collections.abc import Collection, Mapping

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cdp.subjects import Subject, by_key, name_family
from profiles.models import AttributeDefinition, Import, Source


def duplicates(keys: Collection[str]) -> Mapping[str, Subject]:
    """All of them together are one thing."""
    return {
        key: Subject(_("Possible duplicates"), reverse("admin:profiles_duplicatesuggestion_changelist")) for key in keys
    }


def imports(keys: Collection[str]) -> Mapping[str, Subject]:
    """By the name of the file."""
    found = Import.objects.filter(pk__in=[int(key) for key in keys if key.isdigit()])
    return {str(pk): Subject(name) for pk, name in found.values_list("pk", "name")}


name_family("import", imports)
name_family("source", by_key(Source))
name_family("attribute", by_key(AttributeDefinition, name="label"))
name_family("find_duplicates", duplicates)
name_family("accept_duplicates", duplicates)

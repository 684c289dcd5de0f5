"""What runs of this app worked on, by name."""

from collections.abc import Collection, Mapping

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cdp.subjects import Subject, by_key, name_family
from profiles.masking import Masking
from profiles.models import AttributeDefinition, Import, Source


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


name_family("import", imports)
name_family("source", by_key(Source))
name_family("attribute", by_key(AttributeDefinition, name="label"))
name_family("find_duplicates", duplicates)
name_family("accept_duplicates", duplicates)

"""The platform app, installed below every other."""

from django.apps import AppConfig
from django.db.models import Field
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from cdp.discovery import REGISTRY_MODULES, discover

# Django's own puts the names of model and field into a sentence that reads well in no language. Models of all apps are
# loaded after this.
Field.default_error_messages["unique"] = _("It is taken already: choose another.")


class CdpConfig(AppConfig):
    """Fills the registries once all models are loaded, and the roles after each migration."""

    name = "cdp"
    verbose_name = _("Platform")

    def ready(self) -> None:
        from cdp.roles import sync_roles  # noqa: PLC0415 - models are not loaded before
        from cdp.servers import database_check  # noqa: F401, PLC0415 - registers its check
        from cdp.webhooks import hearers  # noqa: F401, PLC0415 - registers its dependents

        for name in REGISTRY_MODULES:
            discover(name)
        post_migrate.connect(sync_roles, dispatch_uid="cdp.sync_roles")

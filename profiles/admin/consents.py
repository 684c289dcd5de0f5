"""Writing down what somebody said of being written to, from their page."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import signed_in
from profiles.models import Consent, Profile
from profiles.models.consent import MAX_NOTE
from profiles.services.consents import ConsentError, Said, record_consents
from profiles.templatetags.profile_values import channel_label


class ConsentForm(forms.Form):
    """One word; without a time it was given now. By hand it needs a note: somebody will ask for the evidence."""

    channel = forms.ChoiceField(
        label=_("Channel"), choices=lambda: [(channel, channel) for channel in settings.CONSENT_CHANNELS]
    )
    state = forms.ChoiceField(label=_("State"), choices=Consent.State.choices)
    occurred_at = forms.DateTimeField(label=_("Given at"), required=False)
    note = forms.CharField(label=_("Where it is from"), max_length=MAX_NOTE)


def write_down(request: HttpRequest, profile: Profile) -> ConsentForm | None:
    """Take the form of the section on the profile page, and say what counts now; the form is back where it is refused,
    with why.
    """
    form = ConsentForm(request.POST)
    if form.is_valid() and tell(request, profile, form, now=timezone.now()):
        return None
    for field, problems in form.errors.items():
        messages.error(request, f"{form.fields[field].label}: {' '.join(map(str, problems))}")
    return form


def tell(request: HttpRequest, profile: Profile, form: ConsentForm, *, now: datetime) -> bool:
    """Whether it could be written down; what was refused stands in the form."""
    given = form.cleaned_data
    said = Said(
        profile_id=profile.pk,
        channel=given["channel"],
        state=Consent.State(given["state"]),
        occurred_at=given["occurred_at"] or now,
        note=given["note"],
    )
    try:
        record_consents([said], user=signed_in(request), now=now)
    except ConsentError as error:
        form.add_error(error.field, str(error))
        return False
    say_what_counts(request, profile, said)
    return True


def say_what_counts(request: HttpRequest, profile: Profile, said: Said) -> None:
    profile.refresh_from_db()
    words = Consent.objects.filter(profile=profile.merged_into or profile, channel=said.channel)
    in_force = words.in_force().first()
    if in_force is None:
        return  # erased meanwhile, as the page says that is shown next
    names = {"channel": channel_label(said.channel), "state": in_force.get_state_display()}
    if in_force.state == said.state:
        messages.success(request, gettext("Written down. %(channel)s: %(state)s.") % names)
    else:
        text = gettext("Written down in the history. A later word counts on %(channel)s: %(state)s.")
        messages.warning(request, text % names)

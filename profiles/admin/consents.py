"""Writing down what somebody said of being written to, from their page."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import has_perm, signed_in
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


def consent_view(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Take the form of the section on the profile page; what is wrong is said there."""
    if request.method != "POST" or not has_perm(request, "profiles.add_consent"):
        return HttpResponse(status=405 if request.method != "POST" else 403)
    profile = get_object_or_404(Profile, pk=profile_id, erased_at__isnull=True)
    form = ConsentForm(request.POST)
    if form.is_valid():
        tell(request, profile, form, now=timezone.now())
    else:
        for field, problems in form.errors.items():
            messages.error(request, f"{form.fields[field].label}: {' '.join(map(str, problems))}")
    return HttpResponseRedirect(reverse("admin:profiles_profile_change", args=[profile.pk]) + "#consents")


def tell(request: HttpRequest, profile: Profile, form: ConsentForm, *, now: datetime) -> None:
    """Write it down, and say what counts now."""
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
        messages.error(request, f"{form.fields[error.field].label}: {error}")
        return
    (in_force,) = Consent.objects.filter(profile=profile.merged_into or profile, channel=said.channel).in_force()
    names = {"channel": channel_label(said.channel), "state": in_force.get_state_display()}
    if in_force.state == said.state:
        messages.success(request, gettext("Written down. %(channel)s: %(state)s.") % names)
    else:
        text = gettext("Written down in the history. A later word counts on %(channel)s: %(state)s.")
        messages.warning(request, text % names)

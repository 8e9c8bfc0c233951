"""The form of a request. Each form that is shown has an id of its own, so that a second click is no second request."""

from __future__ import annotations

from django import forms

from desk.models import TaskRequest


class TaskForm(forms.Form):
    id = forms.UUIDField(widget=forms.HiddenInput)
    action = forms.ChoiceField(choices=TaskRequest.Action.choices)
    close_pnl_orders = forms.BooleanField(required=False)

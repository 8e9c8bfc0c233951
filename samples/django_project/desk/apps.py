"""The app's configuration. It has no ``ready()``: that runs in every worker, in both processes of ``runserver`` and in
each ``manage.py`` command, so no connection may be opened there."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "desk"
    verbose_name = "Desk"

"""A Django project in one module: its settings, its views and its WSGI application."""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.processes import feed

DEBUG = True
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = __name__
INSTALLED_APPS = [name for name in [os.environ.get("EXTRA_APP")] if name]
USE_TZ = True


def pid(_: HttpRequest) -> Any:
    return JsonResponse({"pid": os.getpid()})


def live(_: HttpRequest) -> Any:
    return JsonResponse(feed.live())


def lazily(_: HttpRequest) -> Any:
    return JsonResponse(feed.lazily())


urlpatterns = [path("pid", pid), path("live", live), path("lazily", lazily)]

if "runserver" not in sys.argv:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", __name__)
    django.setup()
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()

"""Django's settings. What differs from place to place, keys above all, comes from the environment."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from project import environment, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    DESK = environment.Desk.from_environment()
    DEBUG = environment.flag(os.environ, "DESK_DEBUG")
    DATABASE_TIMEOUT = environment.number(os.environ, "DESK_DATABASE_TIMEOUT", 5.0)
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from None

DATABASE = Path(os.environ.get("DESK_DATABASE") or BASE_DIR / "db.sqlite3")
if not DATABASE.exists():
    # Accounts, sessions and requests are its owner's affair. SQLite gives the files beside it the mode of this one.
    with contextlib.suppress(OSError):  # of which SQLite says more
        DATABASE.touch(mode=0o600)
SECRET_KEY = os.environ.get("DESK_SECRET_KEY") or secret_key.kept_in(DATABASE.with_name("secret_key.txt"))
ALLOWED_HOSTS = ["127.0.0.1", "localhost", *os.environ.get("DESK_HOSTS", "").split()]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE,
        # Seconds that one statement waits while another process writes. The first migration sets WAL, so that readers
        # and the one writer do not wait for each other.
        "OPTIONS": {"timeout": DATABASE_TIMEOUT},
        # A request to a venue is recorded before it is sent. In a transaction around the whole view (which is not
        # Django's default, and stays off here) a killed worker would take that record with it.
        "ATOMIC_REQUESTS": False,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "desk",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Wrong passwords are counted in memory, where there is an end of them, and not in the database.
AXES_HANDLER = "axes.handlers.cache.AxesCacheHandler"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=1)
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024  # bytes of a form
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
# Scripts cannot read it; behind HTTPS set SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE, too ("manage.py check --deploy").
CSRF_COOKIE_HTTPONLY = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

"""The addresses: Django's admin, and everything else is the desk's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("desk.urls"))]

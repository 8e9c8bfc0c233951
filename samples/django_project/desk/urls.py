"""The desk's addresses."""

from django.urls import path

from desk import views

app_name = "desk"
urlpatterns = [
    path("", views.index, name="index"),
    path("requests", views.send, name="send"),
    path("requests/<uuid:id>", views.request_page, name="request"),
]

"""The admin's lists. All of it is a record of what happened: to be looked at, not to be changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from desk.models import FeedStatus, Gap, TaskRequest, Trade


class Record(admin.ModelAdmin):
    """Read-only: nothing is added, changed or deleted here."""

    show_full_result_count = False  # counting millions of trades takes seconds

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Trade)
class TradeAdmin(Record):
    list_display = ("time", "venue", "symbol", "side", "size", "price", "trade_id")
    list_filter = ("venue", "symbol", "side", "time")
    search_fields = ("=trade_id",)


@admin.register(Gap)
class GapAdmin(Record):
    list_display = ("since", "until", "venue", "symbol", "reason", "state", "note")
    list_filter = ("state", "reason", "venue", "symbol", "since")


@admin.register(TaskRequest)
class TaskRequestAdmin(Record):
    list_display = ("sent", "user", "task", "action", "close_pnl_orders", "outcome", "answered", "text")
    list_filter = ("outcome", "action", "user", "sent")
    search_fields = ("task", "text")


@admin.register(FeedStatus)
class FeedStatusAdmin(Record):
    list_display = ("venue", "state", "seen", "started", "reconnects", "waiting")

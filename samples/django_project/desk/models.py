"""What is stored: trades, the gaps between them, the feed's sign of life, and the requests to DBot."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from desk.decimals import ExactDecimalField


class Trade(models.Model):
    """One trade of the market, as the venue told it."""

    venue = models.CharField(max_length=40)
    symbol = models.CharField(max_length=40)
    trade_id = models.BigIntegerField()
    time = models.DateTimeField(help_text="The venue's time.")
    side = models.CharField(max_length=4, help_text="What the taker did.")
    price = ExactDecimalField(help_text="In quote currency.")
    size = ExactDecimalField(help_text="In base currency.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "symbol", "trade_id"], name="trade_once")]
        indexes = [
            models.Index(fields=["venue", "symbol", "time", "trade_id"], name="trade_course"),
            models.Index(fields=["time", "trade_id"], name="trade_time"),
        ]
        ordering = ["-time", "-trade_id"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.trade_id}"


class Gap(models.Model):
    """A time in which the feed was not listening to a symbol, and whether trades of it may be missing."""

    class Reason(models.TextChoices):
        RESTART = "restart", "the feed was not running"
        CONNECTION = "connection", "dropped connection"
        OVERFLOW = "overflow", "more than memory holds"
        UNREADABLE = "unreadable", "unreadable update"

    class State(models.TextChoices):
        OPEN = "open", "open: the venue has not sent its recent history yet"
        FILLED = "filled", "filled by the venue's history"
        MISSING = "missing", "trades may be missing"

    venue = models.CharField(max_length=40)
    symbol = models.CharField(max_length=40)
    reason = models.CharField(max_length=10, choices=Reason.choices)
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    since = models.DateTimeField(help_text="The last trade that is known from before.")
    until = models.DateTimeField(null=True, help_text="From here on trades are whole again.")
    after_trade_id = models.BigIntegerField(null=True, help_text="The id of the last trade that is known from before.")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "symbol"], condition=models.Q(state="open"), name="one_open_gap")
        ]
        ordering = ["-since", "-id"]

    def __str__(self) -> str:
        return f"{self.symbol} from {self.since:%Y-%m-%d %H:%M:%S}"


class FeedStatus(models.Model):
    """The feed's sign of life: the page is served by other processes, which see of it what is stored here."""

    venue = models.CharField(max_length=40, primary_key=True)
    started = models.DateTimeField()
    seen = models.DateTimeField()
    state = models.CharField(max_length=12)
    reconnects = models.IntegerField(default=0)
    waiting = models.IntegerField(default=0, help_text="Trades in memory that were waiting for the database.")

    class Meta:
        verbose_name_plural = "feed status"

    def __str__(self) -> str:
        return f"{self.venue}: {self.state}"


class TaskRequest(models.Model):
    """One request to DBot: written down before it is sent, completed when its outcome is known.

    So a worker that is killed in between leaves a row that says "unknown", which is the truth.
    """

    class Action(models.TextChoices):
        ON = "on", "Switch on"
        OFF = "off", "Switch off"
        LOOK = "look", "Ask for its state"

    class Outcome(models.TextChoices):
        UNKNOWN = "unknown", "outcome unknown"
        DONE = "done", "done"
        REFUSED = "refused", "refused"
        NOT_SENT = "not sent", "not sent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    task = models.CharField(max_length=100)
    action = models.CharField(max_length=4, choices=Action.choices)
    close_pnl_orders = models.BooleanField("also close its take profit and stop loss tasks", default=False)
    sent = models.DateTimeField(auto_now_add=True)
    answered = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.UNKNOWN)
    text = models.TextField(default="It is not known yet: the server still waits for an answer, or was ended before one came.")
    retry = models.TextField("may it be tried again?", default="Not yet: ask for its state first.")

    class Meta:
        ordering = ["-sent"]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.get_outcome_display()}"

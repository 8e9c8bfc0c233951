"""The tables, as ``manage.py makemigrations`` wrote them."""

import desk.decimals
from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion
import uuid


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedStatus",
            fields=[
                ("venue", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("started", models.DateTimeField()),
                ("seen", models.DateTimeField()),
                ("state", models.CharField(max_length=12)),
                ("reconnects", models.IntegerField(default=0)),
                (
                    "waiting",
                    models.IntegerField(default=0, help_text="Trades in memory that were waiting for the database."),
                ),
            ],
            options={
                "verbose_name_plural": "feed status",
            },
        ),
        migrations.CreateModel(
            name="Gap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("venue", models.CharField(max_length=40)),
                ("symbol", models.CharField(max_length=40)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("restart", "the feed was not running"),
                            ("connection", "dropped connection"),
                            ("overflow", "more than memory holds"),
                            ("unreadable", "unreadable update"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open: the venue has not sent its recent history yet"),
                            ("filled", "filled by the venue's history"),
                            ("missing", "trades may be missing"),
                        ],
                        default="open",
                        max_length=7,
                    ),
                ),
                ("since", models.DateTimeField(help_text="The last trade that is known from before.")),
                ("until", models.DateTimeField(help_text="From here on trades are whole again.", null=True)),
                (
                    "after_trade_id",
                    models.BigIntegerField(help_text="The id of the last trade that is known from before.", null=True),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-since", "-id"],
            },
        ),
        migrations.CreateModel(
            name="TaskRequest",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("task", models.CharField(max_length=100)),
                (
                    "action",
                    models.CharField(
                        choices=[("on", "Switch on"), ("off", "Switch off"), ("look", "Ask for its state")],
                        max_length=4,
                    ),
                ),
                (
                    "close_pnl_orders",
                    models.BooleanField(default=False, verbose_name="also close its take profit and stop loss tasks"),
                ),
                ("sent", models.DateTimeField(auto_now_add=True)),
                ("answered", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("unknown", "outcome unknown"),
                            ("done", "done"),
                            ("refused", "refused"),
                            ("not sent", "not sent"),
                        ],
                        default="unknown",
                        max_length=8,
                    ),
                ),
                (
                    "text",
                    models.TextField(
                        default="It is not known yet: the server still waits for an answer, or was ended before one came."
                    ),
                ),
                (
                    "retry",
                    models.TextField(default="Not yet: ask for its state first.", verbose_name="may it be tried again?"),
                ),
            ],
            options={
                "ordering": ["-sent"],
            },
        ),
        migrations.CreateModel(
            name="Trade",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("venue", models.CharField(max_length=40)),
                ("symbol", models.CharField(max_length=40)),
                ("trade_id", models.BigIntegerField()),
                ("time", models.DateTimeField(help_text="The venue's time.")),
                ("side", models.CharField(help_text="What the taker did.", max_length=4)),
                ("price", desk.decimals.ExactDecimalField(help_text="In quote currency.", max_length=80)),
                ("size", desk.decimals.ExactDecimalField(help_text="In base currency.", max_length=80)),
            ],
            options={
                "ordering": ["-time", "-trade_id"],
                "indexes": [
                    models.Index(fields=["venue", "symbol", "time", "trade_id"], name="trade_course"),
                    models.Index(fields=["time", "trade_id"], name="trade_time"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.UniqueConstraint(fields=("venue", "symbol", "trade_id"), name="trade_once"),
        ),
        migrations.AddField(
            model_name="taskrequest",
            name="user",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name="gap",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("venue", "symbol"), name="one_open_gap"
            ),
        ),
    ]

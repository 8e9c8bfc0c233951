"""A Celery application: tasks that make blocking requests with the client of their module."""

from __future__ import annotations

import os
from typing import Any, Dict

import celery
import celery.signals

from tests.processes import feed

folder = os.environ["BROKER_FOLDER"]
app = celery.Celery("tests.processes.celery_app")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": os.path.join(folder, "control"),
        "polling_interval": 0.05,
    },
    result_backend=f"file://{os.path.join(folder, 'results')}",
    worker_concurrency=2,
    worker_hijack_root_logger=False,
)


@app.task
def live() -> Dict[str, Any]:
    return feed.live()


@celery.signals.worker_ready.connect
def ask(**_: Any) -> None:
    for __ in range(12):
        live.delay()

"""The doctor's checks of this machine: versions, root certificates, threads, file descriptors."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import threading
from typing import Iterator, Optional

import dbxsdk
from dbxsdk.cli.doctor.checks import Check, ok

PACKAGES = ("websocket-client", "requests", "attrs")
FEW_DESCRIPTORS = 64
"""Enough for a handful of clients, log files and a database."""


def examine_machine() -> Iterator[Check]:
    yield ok("python", f"{platform.python_version()} on {platform.system()}, dbxsdk {dbxsdk.__version__}")
    yield _packages()
    yield _openssl()
    yield _roots()
    yield examine_threads()
    yield _descriptors()


def _packages() -> Check:
    versions = {name: _version(name) for name in (*PACKAGES, "msgspec", "isal")}
    message = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if versions["msgspec"] is None:
        message += '; without msgspec, which reads JSON faster: pip install "dbxsdk[fast]"'
    return ok("packages", message, **versions)


def _version(name: str) -> Optional[str]:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _openssl() -> Check:
    if ssl.OPENSSL_VERSION_INFO >= (1, 1, 1):
        return ok("openssl", ssl.OPENSSL_VERSION)
    advice = "Use a Python that was built with OpenSSL 1.1.1 or later: venues refuse the TLS of older ones"
    return Check("openssl", "failed", ssl.OPENSSL_VERSION, "old_openssl", advice)


def _roots() -> Check:
    # Root certificates in a folder are read when needed: they do not count.
    paths, count = ssl.get_default_verify_paths(), len(ssl.create_default_context().get_ca_certs())
    place = paths.cafile or paths.capath or ""
    figures = {"count": count, "place": place}
    if count:
        return ok("roots", f"{count} root certificates are trusted, of {place or 'the system'}", **figures)
    if place and os.path.exists(place):
        return ok("roots", f"root certificates are looked up in {place}", **figures)
    advice = "Install the package ca-certificates (macOS: run Install Certificates.command), or set SSL_CERT_FILE"
    return Check("roots", "failed", "no root certificates: no wss:// address can be trusted", "no_roots", advice, figures)


def examine_threads() -> Check:
    """Check that one more thread can be started: the limit of processes may be reached, and some hosts allow none."""
    try:
        thread = threading.Thread(target=lambda: None, name="dbxsdk-doctor-trial", daemon=True)
        thread.start()
        thread.join()
    except RuntimeError as error:
        advice = "Raise the limit of processes and threads (ulimit -u; the container's pids limit): each client needs three"
        return Check("threads", "failed", str(error), "no_threads", advice)
    return ok("threads", "can be started")


def _descriptors() -> Check:
    try:
        import resource
    except ImportError:
        return Check("descriptors", "skipped", "this system has no limit of open files that can be read")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return ok("descriptors", "open files are not limited")
    try:
        in_use = len(os.listdir("/proc/self/fd"))
    except OSError:
        in_use = 0
    if limit - in_use >= FEW_DESCRIPTORS:
        return ok("descriptors", f"{limit} open files are allowed", limit=limit)
    message = f"{limit} open files are allowed, and {in_use} are in use here"
    return Check("descriptors", "warning", message, "few_descriptors", "Raise the limit: ulimit -n 1024", {"limit": limit})

"""The doctor's findings: one check, its outcome, and what to do if it is bad."""

from __future__ import annotations

from typing import Any, Dict, Mapping

import attrs

OUTCOMES = ("ok", "warning", "failed", "skipped")

ADVICE: Mapping[str, str] = {
    "bad_proxy": "Set the variable to http://host:port, or give --proxy",
    "name_not_found": "Check the name for typing errors, and whether this network's DNS knows it",
    "dns_failed": "The DNS server gives no answer: check this machine's network and /etc/resolv.conf",
    "dns_timed_out": "The DNS server gives no answer: check this machine's network and /etc/resolv.conf",
    "refused": "The machine answers, but nothing listens on that port: check the port, and whether the server runs",
    "timed_out": "Something drops the packets: check firewall and network, or try a larger --timeout",
    "unreachable": "This machine has no route there: check its network, its routes and its firewall",
    "ended": "Something between here and the venue closes the connection: check firewall and proxy, and try again later",
    "proxy_needs_password": "Put the correct user and password into the proxy's URL: http://user:password@host:port",
    "proxy_refused": "Ask who runs the proxy to let CONNECT through to this host and port",
    "proxy_failed": "Check the proxy's address, and that it is a proxy",
    "tls_failed": "Check that the port speaks TLS (else it is ws://), and whether a firewall closes such connections",
    "certificate_expired": "Check this machine's date; if it is right, the server's certificate must be renewed",
    "certificate_not_yet_valid": "This machine's clock is probably behind: set it (timedatectl set-ntp true)",
    "certificate_of_another_host": "The server is not the one asked for: check the host name, the DNS and the proxy",
    "certificate_not_trusted": (
        "If the issuer is your company's, its proxy reads the traffic: set SSL_CERT_FILE to its root certificate; else "
        "update the package ca-certificates, and do not go on if you do not know the issuer"
    ),
    "http_401": "The venue does not accept the key: check it, or make a new one",
    "http_403": (
        "The venue refuses the key or this address: check the key's list of addresses, and whether it serves this country"
    ),
    "http_404": "Nothing is at this path: check the URL",
    "http_429": "Too many connections from here: wait, and close what connects again and again",
    "http_5xx": "The venue is down or being maintained: try again later, and look at its status page",
    "http_other": "This is not a WebSocket's answer: check the URL",
    "no_websocket": "Check that the URL is a WebSocket's, and that no proxy removes its headers",
    "login_refused": "Check that key and secret belong together, are of this network (test or real), and allow this address",
    "token_refused": "Check that user id and key belong together, and that the key is one of the personal account",
    "token_host_failed": "Tokens come from another host than the socket's: check that firewall and proxy allow it",
    "venue_failed": "Try again later, and look at the venue's status page",
    "no_answer": "The connection stands and the venue does not answer: try again later, or try a larger --timeout",
    "clock_off": "Set this machine's clock: timedatectl set-ntp true, or the same in the settings of the virtual machine's host",
    "unexpected": "Please report this as a defect, with this line",
}
"""One sentence for each cause: what to do."""


@attrs.frozen
class Check:
    """One finding. ``venue`` is ``""`` for this machine's; ``figures`` go into the JSON as they are."""

    name: str
    outcome: str
    message: str
    cause: str = ""
    advice: str = ""
    figures: Dict[str, Any] = attrs.field(factory=dict)
    venue: str = ""


def failed(name: str, cause: str, message: str, advice: str = "", **figures: Any) -> Check:
    return Check(name, "failed", message, cause, advice or ADVICE[cause], figures)


def ok(name: str, message: str, **figures: Any) -> Check:
    return Check(name, "ok", message, figures=figures)


def skipped(name: str, why: str) -> Check:
    return Check(name, "skipped", why)

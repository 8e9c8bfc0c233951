"""Signatures, and the login's course: what is asked after which answer. Both protocols are held to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import pytest

from dbxsdk import AuthError, RateLimited, VenueError
from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials
from dbxsdk.bybit.private.protocol import BybitPrivateProtocol
from dbxsdk.bybit.trade.protocol import BybitTradeProtocol
from dbxsdk.protocol import Reply, Request
from tests.bybit.clocks import Clocks

KEY, SECRET = "key-of-tests", "secret-of-tests"
NOW = 1_700_000_000_000

AnyProtocol = Union[BybitPrivateProtocol, BybitTradeProtocol]
Make = Callable[..., AnyProtocol]


def private(
    signer: Any = None, secret: Optional[str] = SECRET, clocks: Optional[Clocks] = None, **options: Any
) -> BybitPrivateProtocol:
    return BybitPrivateProtocol(Credentials(KEY, secret, signer), **(clocks or Clocks(NOW)).options(), **options)


def trade(
    signer: Any = None, secret: Optional[str] = SECRET, clocks: Optional[Clocks] = None, **options: Any
) -> BybitTradeProtocol:
    return BybitTradeProtocol(Credentials(KEY, secret, signer), **(clocks or Clocks(NOW)).options(), **options)


@pytest.fixture(params=[private, trade])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


def only(requests: Sequence[Request]) -> Request:
    (request,) = requests
    return request


def document(request: Request) -> Dict[str, Any]:
    found = json.loads(request.frame)
    assert isinstance(found, dict)
    return found


def args(request: Request) -> List[Any]:
    return document(request)["args"]  # type: ignore[no-any-return]


def signature(expires: int, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()


def reply(protocol: AnyProtocol, text: Dict[str, Any]) -> Reply:
    (inbound,) = protocol.receive(json.dumps(text).encode(), False)
    assert isinstance(inbound, Reply)
    return inbound


def answers(protocol: AnyProtocol) -> Dict[str, Dict[str, Any]]:
    if isinstance(protocol, BybitPrivateProtocol):
        return {
            "yes": {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c1"},
            "no": {"success": False, "ret_msg": "API key is invalid.", "op": "auth", "conn_id": "c1"},
            "params": {"success": False, "ret_msg": "Params Error", "op": "auth", "conn_id": "c1"},
        }
    return {
        "yes": {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c1"},
        "no": {"retCode": 10004, "retMsg": "Error sign", "op": "auth", "connId": "c1"},
        "params": {"retCode": 10001, "retMsg": "Param error", "op": "auth", "connId": "c1"},
    }


def pong(protocol: AnyProtocol, ms: Any) -> Reply:
    if isinstance(protocol, BybitPrivateProtocol):
        return reply(protocol, {"op": "pong", "args": [ms], "conn_id": "c1"})
    return reply(protocol, {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [ms], "connId": "c1"})


def answered(protocol: AnyProtocol, request: Request, name: str) -> Sequence[Request]:
    return protocol.login_answered(request, reply(protocol, answers(protocol)[name]), 0)


def asked(protocol: AnyProtocol) -> Request:
    """The ping after a login that was refused for what may be its time."""
    return only(answered(protocol, only(protocol.login(0)), "params"))


def measured(protocol: AnyProtocol, ping: Request, ms: Any) -> Request:
    """The login that the pong leads to."""
    return only(protocol.login_answered(ping, pong(protocol, ms), 0))


class TestSignature:
    @pytest.mark.parametrize("secret, expires, expected", [
        ("secret", 1662350400000, "d7ca36fea9ef1287007fd4b15af961e91d419a3d3f3ccbdf23585170ac116cd4"),
        ("SECRETKEY", 1711010121452, "ec2dbd487262e042da7ef87bfacd3a11a5ed2933f68858037a3701e33d721c1c"),
    ])
    def test_known_vectors(self, make: Make, secret: str, expires: int, expected: str) -> None:
        request = only(make(secret=secret, auth_window=10.0, clocks=Clocks(expires - 10_000)).login(0))
        assert args(request) == [KEY, expires, expected]

    def test_request_of_each_socket(self) -> None:
        request = only(private().login(0))
        assert document(request) == {"req_id": request.key, "op": "auth", "args": args(request)}
        request = only(trade().login(0))
        assert document(request) == {"reqId": request.key, "op": "auth", "args": args(request)}

    def test_default_window(self, make: Make) -> None:
        assert AUTH_WINDOW == 10.0
        assert args(only(make().login(0))) == [KEY, NOW + 10_000, signature(NOW + 10_000)]

    def test_each_connection_is_signed_afresh(self, make: Make) -> None:
        clocks = Clocks(NOW)
        protocol = make(clocks=clocks)
        first = only(protocol.login(0))
        clocks.ms += 60_000
        second = only(protocol.login(0))
        assert args(second)[1] - args(first)[1] == 60_000
        assert args(second)[2] == signature(NOW + 70_000)
        assert first.key != second.key

    def test_signer_in_place_of_hmac(self, make: Make) -> None:
        payloads: List[str] = []

        def sign(payload: str) -> str:
            payloads.append(payload)
            return "signed=="

        assert args(only(make(sign, None).login(0))) == [KEY, NOW + 10_000, "signed=="]
        assert args(only(make(sign, SECRET).login(0)))[2] == "signed=="
        assert payloads == [f"GET/realtime{NOW + 10_000}"] * 2


class TestConstruction:
    @pytest.mark.parametrize("bad", ["", " ", "a b", "a\n", "\ta", "a\r\n", "a\x00", "a\u00a0"])
    @pytest.mark.parametrize("name", ["api_key", "api_secret"])
    def test_blanks(self, name: str, bad: str) -> None:
        arguments = {"api_key": KEY, "api_secret": SECRET, name: bad}
        with pytest.raises(ValueError, match=name) as raised:
            Credentials(**arguments)
        assert SECRET not in str(raised.value) and (not bad.strip() or bad not in str(raised.value))

    @pytest.mark.parametrize("bad", [b"key", 5, None, ["key"]])
    def test_key_of_another_type(self, bad: Any) -> None:
        with pytest.raises(TypeError, match="api_key"):
            Credentials(bad, SECRET)

    @pytest.mark.parametrize("bad", [b"secret", 5, ["secret"]])
    def test_secret_of_another_type(self, bad: Any) -> None:
        with pytest.raises(TypeError, match="api_secret") as raised:
            Credentials(KEY, bad)
        assert "b'" not in str(raised.value)

    def test_neither_secret_nor_signer(self) -> None:
        with pytest.raises(ValueError, match="api_secret"):
            Credentials(KEY, None)

    def test_signer_that_cannot_be_called(self) -> None:
        with pytest.raises(TypeError, match="signer"):
            Credentials(KEY, None, "sign")  # type: ignore[arg-type]

    @pytest.mark.parametrize("bad, error", [
        ("10", TypeError), (True, TypeError), (None, TypeError), (0, ValueError), (-1, ValueError), (0.0001, ValueError),
        (float("nan"), ValueError),
    ])
    def test_window(self, make: Make, bad: Any, error: Any) -> None:
        with pytest.raises(error, match="auth_window"):
            make(auth_window=bad)

    def test_nothing_is_shown(self, make: Make) -> None:
        protocol = make()
        request = only(protocol.login(0))
        shown = repr((protocol, request, Credentials(KEY, SECRET)))
        assert KEY not in shown and SECRET not in shown and args(request)[2] not in shown


class TestCourse:
    def test_yes(self, make: Make) -> None:
        protocol = make()
        more = answered(protocol, only(protocol.login(0)), "yes")
        if make is private:
            assert more == ()
            return
        # The time of an order matters more: the venue's is asked for, once.
        ping = only(more)
        assert ping.kind == "ping"
        assert protocol.login_answered(ping, pong(protocol, str(NOW + 250)), 0) == ()
        protocol.reset()
        assert answered(protocol, only(protocol.login(0)), "yes") == ()

    def test_question_after_a_yes_decides_nothing(self) -> None:
        protocol = trade()
        ping = only(answered(protocol, only(protocol.login(0)), "yes"))
        assert protocol.login_answered(ping, pong(protocol, "no time"), 0) == ()

    def test_no_is_final(self, make: Make) -> None:
        protocol = make()
        request = only(protocol.login(0))
        with pytest.raises(AuthError, match="the login was refused") as raised:
            answered(protocol, request, "no")
        assert raised.value.reply == answers(protocol)["no"]
        assert raised.value.code == answers(protocol)["no"].get("retCode")

    def test_clock_behind(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        clocks = Clocks(NOW, wrong_ms=-60_000)
        protocol = make(clocks=clocks)
        login = only(protocol.login(0))
        assert args(login)[1] == NOW - 60_000 + 10_000, "nothing is known yet: the wall clock"
        clocks.ms += 100
        ping = only(answered(protocol, login, "params"))
        assert (ping.kind, document(ping)["op"]) == ("ping", "ping")
        clocks.ms += 40
        # It is read half way, for all that is known: the truth is 10 ms from that.
        again = measured(protocol, ping, str(NOW + 130))
        assert args(again)[:2] == [KEY, NOW + 140 + 10 + 10_000]
        assert args(again)[2] == signature(args(again)[1])
        assert "this machine's clock is 60.0 s behind the venue's" in caplog.text
        assert answered(protocol, again, "yes") == ()

    @pytest.mark.parametrize("step_ms", [-7_200_000, 7_200_000])
    def test_what_was_measured_holds_however_the_clock_is_set(self, make: Make, step_ms: int) -> None:
        clocks = Clocks(NOW, wrong_ms=30_000)
        protocol = make(clocks=clocks)
        answered(protocol, measured(protocol, asked(protocol), str(NOW)), "yes")
        clocks.wrong_ms += step_ms
        clocks.ms += 500
        protocol.reset()
        assert args(only(protocol.login(0)))[1] == NOW + 500 + 10_000

    def test_refused_again_names_the_skew(self, make: Make) -> None:
        protocol = make(clocks=Clocks(NOW, wrong_ms=3_600_000))
        again = measured(protocol, asked(protocol), NOW)
        with pytest.raises(AuthError, match=r"Param.*3,600\.0 s ahead of the venue's.*set this machine's clock") as raised:
            answered(protocol, again, "params")
        assert raised.value.reply == answers(protocol)["params"]

    def test_refused_again_with_a_clock_that_is_right(self, make: Make) -> None:
        protocol = make()
        again = measured(protocol, asked(protocol), NOW + 50)
        with pytest.raises(AuthError, match=r"refused: Param.*clock agrees with the venue's: check the key"):
            answered(protocol, again, "params")

    def test_each_connection_may_measure_once(self, make: Make) -> None:
        protocol = make()
        for _ in range(2):
            again = measured(protocol, asked(protocol), str(NOW))
            with pytest.raises(AuthError):
                answered(protocol, again, "params")

    def test_venue_that_hangs_up_on_the_question_is_asked_first_next_time(self, make: Make) -> None:
        protocol = make(clocks=Clocks(NOW, wrong_ms=-60_000))
        asked(protocol)
        protocol.reset()
        again = measured(protocol, only(protocol.login(0)), str(NOW))
        assert args(again)[1] == NOW + 10_000
        with pytest.raises(AuthError, match="60.0 s behind"):
            answered(protocol, again, "params")
        assert only(protocol.login(0)).kind == "auth"

    def test_venue_that_hangs_up_when_asked_first_too_has_refused_the_login(self, make: Make) -> None:
        protocol = make()
        asked(protocol)
        assert protocol.login_refusal() is None  # it may be the clock: the next connection asks
        protocol.reset()
        ping = only(protocol.login(NOW))
        assert ping.kind == "ping"
        refusal = protocol.login_refusal()
        assert isinstance(refusal, AuthError)
        protocol.reset()
        assert only(protocol.login(NOW)).kind == "auth" and protocol.login_refusal() is None

    @pytest.mark.parametrize("time", ["", "now", None, [], 1.5])
    def test_pong_without_a_time(self, make: Make, time: Any) -> None:
        protocol = make()
        ping = asked(protocol)
        with pytest.raises(AuthError, match="Param.*could not be measured: check this machine's clock"):
            protocol.login_answered(ping, pong(protocol, time), 0)
        assert only(protocol.login(0)).kind == "auth"

    @pytest.mark.parametrize("result", [None, "", 5, b"signature"])
    def test_signer_that_returns_no_text(self, make: Make, result: Any) -> None:
        self.fails(make(lambda payload: result, None), "must return a text")

    def test_signer_that_raises_is_told_when_the_login_is_answered(self, make: Make) -> None:
        def sign(payload: str) -> str:
            raise OSError("the module is not plugged in: pin 1234")

        error = self.fails(make(sign, None), "the signer raised OSError")
        assert isinstance(error.__cause__, OSError)
        assert "1234" not in str(error)

    def test_signer_that_comes_back(self, make: Make) -> None:
        results = iter(["", "signed"])
        protocol = make(lambda payload: next(results), None)
        self.fails(protocol, "must return a text")
        request = only(protocol.login(0))
        assert args(request)[2] == "signed"
        answered(protocol, request, "yes")

    def fails(self, protocol: AnyProtocol, match: str) -> VenueError:
        request = only(protocol.login(0))
        assert request.kind == "ping"
        with pytest.raises(VenueError, match=match) as raised:
            protocol.login_answered(request, pong(protocol, str(NOW)), 0)
        assert not isinstance(raised.value, AuthError)  # it is tried again on the next connection
        return raised.value

    def test_a_venue_that_repeats_the_secrets(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        protocol = make()
        request = only(protocol.login(0))
        text = f"bad {KEY} {SECRET} {args(request)[2]}"
        told = {"success": False, "ret_msg": text, "op": "auth"} if make is private else \
            {"retCode": 10004, "retMsg": text, "op": "auth"}
        with pytest.raises(AuthError, match=r"bad \*\*\* \*\*\* \*\*\*") as raised:
            protocol.login_answered(request, reply(protocol, told), 0)
        shown = f"{raised.value} {raised.value!r} {raised.value.message} {caplog.text}"
        for hidden in (KEY, SECRET, args(request)[2]):
            assert hidden not in shown


class TestTradeCodes:
    def refused(self, code: Any, text: str = "no") -> VenueError:
        protocol = trade()
        request = only(protocol.login(0))
        with pytest.raises(VenueError) as raised:
            protocol.login_answered(request, reply(protocol, {"retCode": code, "retMsg": text, "op": "auth"}), 0)
        assert raised.value.code == code
        return raised.value

    @pytest.mark.parametrize("code", [10003, 10004, 10005, 10010])
    def test_final(self, code: int) -> None:
        assert type(self.refused(code)) is AuthError

    @pytest.mark.parametrize("code", [10006, 10403, 10429, 20003])
    def test_rate_limits_are_tried_again(self, code: int) -> None:
        assert type(self.refused(code)) is RateLimited

    def test_too_many_sessions_are_no_bad_key(self) -> None:
        assert type(self.refused(10003, "Too many sessions under the same UID")) is RateLimited

    @pytest.mark.parametrize("code", [10016, 10019, 20001, 99999])
    def test_others_are_tried_again(self, code: int) -> None:
        assert type(self.refused(code)) is VenueError

    @pytest.mark.parametrize("code, text", [
        (10001, "Param error"), (10002, "invalid request, please check your timestamp"), (10004, "expires time is wrong"),
        (99999, "Params Error"),
    ])
    def test_about_time(self, code: int, text: str) -> None:
        protocol = trade()
        request = only(protocol.login(0))
        answer = reply(protocol, {"retCode": code, "retMsg": text, "op": "auth"})
        assert only(protocol.login_answered(request, answer, 0)).kind == "ping"

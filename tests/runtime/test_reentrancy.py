"""Whether a method was called in the middle of the SDK's own code: which modules and functions count."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import Future
from typing import Any, Callable, Dict, List

import pytest

from dbxsdk.runtime import reentrancy
from dbxsdk.runtime.reentrancy import WITH_LOCKS, calls_user_code


@pytest.mark.parametrize("name", WITH_LOCKS)
def test_what_holds_locks_is_there(name: str) -> None:
    importlib.import_module(name)


def method(work: Callable[[], Any]) -> None:
    """Like a public method that may be called by a signal handler or a destructor."""
    reentrancy.run(work)


def thread_of(call: Callable[[Callable[[], Any]], None]) -> threading.Thread:
    """Where ``run`` works when ``call`` leads to it."""
    found: List[threading.Thread] = []
    done = threading.Event()

    def work() -> None:
        found.append(threading.current_thread())
        done.set()

    call(work)
    assert done.wait(5.0)
    return found[0]


def inside(module: str, mark: Callable[[Any], Any] = lambda function: function) -> Callable[[Callable[[], Any]], None]:
    """A function of ``module`` that calls ``method``."""
    names: Dict[str, Any] = {"__name__": module, "method": method}
    exec("def step(work):\n    method(work)\n", names)
    return mark(names["step"])  # type: ignore[no-any-return]


def test_a_user_s_own_call_works_where_it_is_made() -> None:
    assert thread_of(method) is threading.current_thread()
    assert thread_of(inside("somebody.else")) is threading.current_thread()


def test_a_call_in_the_middle_of_the_sdk_s_code_works_on_a_thread_of_its_own() -> None:
    for module in WITH_LOCKS:
        assert thread_of(inside(module)).name == "dbxsdk-closing", module


def test_a_callback_s_call_works_where_it_is_made() -> None:
    assert thread_of(inside("dbxsdk.session.anything", calls_user_code)) is threading.current_thread()


def test_the_mark_is_on_the_function_whatever_it_is_called() -> None:
    marked, plain = inside("dbxsdk.session.anything", calls_user_code), inside("dbxsdk.session.anything")
    assert marked.__name__ == plain.__name__
    assert thread_of(plain) is not thread_of(marked)


def test_done_callbacks_of_futures_are_no_interruption() -> None:
    def call(work: Callable[[], Any]) -> None:
        future: "Future[None]" = Future()
        future.add_done_callback(lambda _: method(work))
        future.set_result(None)

    assert thread_of(call) is threading.current_thread()

"""What a forked child puts right: once, before anything else, whether fork hooks ran or not."""

from __future__ import annotations

import os
import threading
import time
from typing import List

import pytest

from dbxsdk.runtime.fork import ForkAware
from tests.waiting import Background


class Counted(ForkAware):
    def __init__(self) -> None:
        self.rights: List[str] = []
        self._follow_forks()

    def use(self) -> int:
        self._check_process()
        return len(self.rights)

    def _after_fork(self) -> None:
        time.sleep(0.01)
        self.rights.append(threading.current_thread().name)


def test_nothing_is_put_right_in_the_process_that_made_it() -> None:
    assert Counted().use() == 0


def test_without_hooks_the_first_use_in_a_child_puts_it_right_and_others_wait() -> None:
    counted = Counted()
    counted._pid = 0  # the parent's
    uses = [Background(counted.use) for _ in range(8)]
    assert [use.result() for use in uses] == [1] * 8


def test_what_could_not_be_put_right_is_tried_again() -> None:
    class Failing(Counted):
        def _after_fork(self) -> None:
            super()._after_fork()
            if len(self.rights) == 1:
                raise RuntimeError("not yet")

    failing = Failing()
    failing._pid = 0
    with pytest.raises(RuntimeError):
        failing.use()
    assert failing.use() == 2 and failing.use() == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_hook_puts_right_what_is_still_there() -> None:
    counted = Counted()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, b"%d" % len(counted.rights))
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"1" and counted.rights == []
    os.close(read)
    os.close(write)


def test_it_is_kept_weakly() -> None:
    from dbxsdk.runtime import fork

    counted = Counted()
    assert counted in fork._fork_aware
    before = len(fork._fork_aware)
    del counted
    assert len(fork._fork_aware) < before

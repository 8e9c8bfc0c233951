"""What a forked child puts right: once, before anything else, whether fork hooks ran or not."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from typing import Any, List

import pytest

from dbxsdk.runtime import fork
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compared", [True, False], ids=["compared", "marked"])
def test_without_hooks_a_child_finds_out_and_so_does_its_own(compared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if compared:
        monkeypatch.setattr(fork, "_mark", fork._Compared())
    first, second = Counted(), Counted()
    for each in (first, second):
        fork._fork_aware.discard(each)  # the hook is passed by
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        used = [first.use(), second.use(), Counted().use(), int(fork._mark[0])]
        grandchild = os.fork()
        if grandchild == 0:
            os.write(write, b"%d%d%d" % (first.use(), Counted().use(), first.use()))
            os._exit(0)
        os.waitpid(grandchild, 0)
        os.write(write, b" %d%d%d%d %d" % (*used, second.use()))
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 20) == b"202 1101 1" and first.use() == second.use() == 0
    os.close(read)
    os.close(write)


@pytest.mark.skipif(sys.platform != "linux", reason="a mark is of Linux")
@pytest.mark.parametrize("refused", [{fork._WIPE_ON_FORK}, set()], ids=["an old kernel", "an emulator that follows no advice"])
def test_where_no_memory_is_wiped_process_ids_are_compared(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Page:
        def __init__(self, *_: Any, **more: Any) -> None:
            """Of no use."""

        def madvise(self, advice: int) -> None:
            if advice in refused:
                raise OSError(22, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Page)
    mark = fork._unmarked()
    mark[0] = 1
    assert isinstance(mark, fork._Compared) and mark[0]
    monkeypatch.setattr(os, "getpid", lambda: fork._process + 1)
    assert not mark[0]


def test_it_is_kept_weakly() -> None:
    counted = Counted()
    assert counted in fork._fork_aware
    before = len(fork._fork_aware)
    del counted
    assert len(fork._fork_aware) < before

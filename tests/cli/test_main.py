"""The command line itself: usage, version, exit codes."""

from __future__ import annotations

import pytest

import dbxsdk
from dbxsdk.cli.main import main


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["demo", "--no-such-option"], ["demo", "positional"]])
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and "usage: dbxsdk" in err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", ""])
def test_seconds_must_be_positive(seconds, capsys):
    with pytest.raises(SystemExit) as exited:
        main(["demo", f"--seconds={seconds}"])
    assert exited.value.code == 2
    assert f"--seconds: must be a positive number of seconds, not {seconds!r}" in capsys.readouterr().err


def test_version_and_help(capsys):
    for arguments in (["--version"], ["--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        assert exited.value.code == 0
    out = capsys.readouterr().out
    assert f"dbxsdk {dbxsdk.__version__}" in out
    assert "demo" in out and "--seconds" in out and "round_trip_ms" in out


def test_ctrl_c_outside_of_the_demos_own_care(monkeypatch):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbxsdk.cli.demo.run", interrupt)
    assert main(["demo"]) == 130

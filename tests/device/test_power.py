"""A Jetson's power mode over SSH: set, and put back whatever happens; stand-ins for nvpmodel and jetson_clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldtiny.device import power
from foldtiny.errors import FoldtinyError, UsageError
from foldtiny.pipeline import DeployRequest
from tests.device.test_ssh import URL, _script, board

__all__ = ["board"]

_NVPMODEL = """#!/bin/sh
case "$1" in
-q) echo "NV Fan Mode:quiet"; echo "NV Power Mode: 5W"; cat {state}/mode ;;
-m) [ "$2" -lt 2 ] || {{ echo "NVPM ERROR: Invalid power model" >&2; exit 1; }}
    echo "$2" > {state}/mode; echo "nvpmodel $2" >> {state}/done ;;
esac
"""
_CLOCKS = """#!/bin/sh
echo "jetson_clocks $*" >> {state}/done
[ "$1" = --store ] && echo saved > "$2"
exit 0
"""


@pytest.fixture
def jetson(board: Path) -> Path:
    """A board in mode 1; what is done to it stands in ``done``."""
    (board / "mode").write_text("1\n")
    (board / "done").write_text("")
    _script(board / "board" / "nvpmodel", _NVPMODEL.format(state=board))
    _script(board / "board" / "jetson_clocks", _CLOCKS.format(state=board))
    _script(board / "board" / "sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    return board


def test_mode_is_set_and_put_back(jetson: Path) -> None:
    with power.held(URL, 0) as found:
        assert found == power.Power(mode=0, before=1)
        assert (jetson / "mode").read_text() == "0\n"
    assert (jetson / "mode").read_text() == "1\n"
    assert (jetson / "done").read_text().splitlines() == [
        "jetson_clocks --store .foldtiny/clocks",
        "nvpmodel 0",
        "jetson_clocks ",
        "nvpmodel 1",
        "jetson_clocks --restore .foldtiny/clocks",
    ]
    assert not (jetson / "home" / ".foldtiny" / "clocks").exists()


def test_put_back_after_a_failure(jetson: Path) -> None:
    with pytest.raises(ZeroDivisionError), power.held(URL, 0):
        raise ZeroDivisionError
    assert (jetson / "mode").read_text() == "1\n"


def test_a_mode_that_there_is_not(jetson: Path) -> None:
    with pytest.raises(FoldtinyError) as caught, power.held(URL, 7):
        pytest.fail("the mode was not refused")
    assert str(caught.value) == (
        f"the power mode of the board at {URL} cannot be set: NVPM ERROR: Invalid power model; "
        "choose another --power-mode"
    )
    assert (jetson / "mode").read_text() == "1\n"


def test_a_user_who_may_not(jetson: Path) -> None:
    _script(jetson / "board" / "sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    with pytest.raises(FoldtinyError) as caught, power.held(URL, 0):
        pytest.fail("the mode was not refused")
    assert str(caught.value).startswith(
        f"the board at {URL} does not let this user change its power mode (sudo: a password is required); "
        "let it run there without a password: `sudo visudo -f /etc/sudoers.d/foldtiny`"
    )


def test_not_a_jetson(board: Path) -> None:
    with pytest.raises(FoldtinyError) as caught, power.held(URL, 0):
        pytest.fail("the mode was not refused")
    assert "leave out --power-mode" in str(caught.value)


def test_only_over_ssh() -> None:
    with pytest.raises(UsageError, match="--power-mode is for a Jetson reached with --port ssh://USER@HOST"):
        DeployRequest("jetson-nano", power_mode=0).check()
    with pytest.raises(UsageError, match="--power-mode is 100"):
        DeployRequest("jetson-nano", power_mode=100, port=URL).check()
    DeployRequest("jetson-nano", power_mode=0, port=URL).check()

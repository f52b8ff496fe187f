"""A Linux board over SSH: a stand-in for ``ssh`` runs the remote commands here, QEMU is the board's processor."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.device import ssh
from foldtiny.device.link import Device
from foldtiny.device.target import choose
from foldtiny.errors import FoldtinyError
from foldtiny.pipeline import DeployRequest, deploy
from tests.aot.networks import NONE, Network

URL = "ssh://student@jetson.local:2222"
JETSON = boards.get("jetson-nano")

# Runs the remote command (the last argument) in the folder that stands for the home folder on the board.
_FAKE_SSH = """#!/bin/sh
for last; do :; done
echo "$@" >> {state}/calls
if [ -s {state}/refuse ]; then cat {state}/refuse >&2; exit 255; fi
cd {state}/home
case "$last" in
"exec .foldtiny/firmware")
    [ -f .foldtiny/firmware ] || {{ echo "sh: 1: exec: .foldtiny/firmware: not found" >&2; exit 127; }}
    exec qemu-aarch64 .foldtiny/firmware ;;
*) PATH={state}/board:$PATH exec sh -c "$last" ;;
esac
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board's stand-in; returns the folder with its home folder and what is asked of it."""
    for name in ("bin", "home", "board"):
        (tmp_path / name).mkdir()
    _script(tmp_path / "bin" / "ssh", _FAKE_SSH.format(state=tmp_path))
    _script(tmp_path / "board" / "uname", "#!/bin/sh\necho aarch64\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{_path()}")
    return tmp_path


def _path() -> str:
    import os

    return os.environ["PATH"]


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _model(folder: Path) -> Path:
    network = Network((1, 8, 8, 3), "int8", 3)
    network.conv(4, 3)
    network.reshape(1, 256)
    network.dense(5, NONE)
    (folder / "small.tflite").write_bytes(network.done())
    return folder / "small.tflite"


@pytest.mark.slow
def test_copied_run_and_measured(board: Path, tmp_path: Path) -> None:
    request = DeployRequest(
        board="jetson-nano", tflite=_model(tmp_path), output=tmp_path / "build", runs=4, port=URL
    )  # fmt: skip
    result = deploy(request)
    assert result is not None
    assert (result.bit_exact.checked, result.bit_exact.matching) == (4, 4)
    # The processor over there is QEMU's, and the firmware knows it.
    assert result.source == "simulated"
    assert result.latency.basis == (
        "simulated: time that the simulator took on this machine, which says nothing about the board"
    )
    assert [stage["name"] for stage in result.stages][-3:] == ["build", "flash", "measure"]
    assert result.stages[-2]["summary"].startswith(f"copied to {URL}")
    copied = board / "home" / ".foldtiny" / "firmware"
    assert copied.read_bytes() == Path(result.artefacts["firmware"]).read_bytes()
    assert [path.name for path in copied.parent.iterdir()] == ["firmware"]
    calls = (board / "calls").read_text().splitlines()
    assert all(
        call.startswith(
            "-T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -p 2222 student@jetson.local "
        )
        for call in calls
        if "BatchMode" in call
    )
    again = deploy(DeployRequest(**{**_fields(request), "flash": False}))
    assert again is not None and "flash" not in [stage["name"] for stage in again.stages]


def _fields(request: DeployRequest) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__slots__}


def test_address() -> None:
    assert ssh.command("ssh://host", "true")[-2:] == ["host", "true"]
    assert "-p" not in ssh.command("ssh://host", "true")
    for url, text in {
        "ssh://me:secret@host": "--port holds a password; use a key: ssh-copy-id puts it on the board",
        "ssh://-oProxyCommand=x": "(allowed: ssh://host, ssh://user@host, ssh://user@host:port)",
        "ssh://": "(allowed: ssh://host",
        "ssh://host/path": "(allowed: ssh://host",
        "ssh://host:x": "(allowed: ssh://host",
        "ssh://-l@host": "whose user name is not one",
    }.items():
        with pytest.raises(FoldtinyError) as caught:
            choose(JETSON, url)
        assert text in str(caught.value) and caught.value.exit_code == 2
    with pytest.raises(FoldtinyError, match="a esp-eye has no SSH server; name the serial port that it is on"):
        choose(boards.get("esp-eye"), "ssh://host")
    assert choose(JETSON, URL).flash and not choose(JETSON, URL, flash=False).flash


REFUSALS = {
    "Host key verification failed.": "has a host key that this machine does not know; connect once with "
    "`ssh -p 2222 student@jetson.local` and compare the key it shows",
    "student@jetson.local: Permission denied (publickey,password).": "does not accept a key of yours; let it know your "
    "key with `ssh-copy-id -p 2222 student@jetson.local`",
    "ssh: Could not resolve hostname jetson.local: Name or service not known": "has no address; check the name",
    "ssh: connect to host jetson.local port 2222: Connection refused": "takes no SSH connections; start its SSH server",
    "ssh: connect to host jetson.local port 2222: No route to host": "does not answer; check the network",
    "cat: write error: No space left on device": "has no space left; free some space on it",
    "Bad configuration option: x": "cannot be used: Bad configuration option: x; try `ssh -p 2222 student@",
}


@pytest.mark.parametrize("said", REFUSALS)
def test_refusals_are_one_sentence(board: Path, tmp_path: Path, said: str) -> None:
    (board / "refuse").write_text(said + "\n")
    (tmp_path / "program").write_bytes(b"x")
    with pytest.raises(FoldtinyError) as caught:
        ssh.copy(URL, tmp_path / "program")
    assert str(caught.value).startswith(f"the board at {URL} {REFUSALS[said]}")
    with pytest.raises(FoldtinyError) as caught, Device.open(URL, timeout_s=5) as device:
        device.hello()
    assert str(caught.value).startswith(f"the board at {URL} {REFUSALS[said]}")


def test_another_processor(board: Path, tmp_path: Path) -> None:
    _script(board / "board" / "uname", "#!/bin/sh\necho x86_64\n")
    (tmp_path / "program").write_bytes(b"x")
    with pytest.raises(FoldtinyError) as caught:
        ssh.copy(URL, tmp_path / "program")
    assert str(caught.value) == (
        f"the machine at {URL} is x86_64, the program is for aarch64; choose another --port or --board"
    )
    assert not (board / "home" / ".foldtiny").exists()


def test_governor_is_recorded(board: Path) -> None:
    _script(board / "board" / "cat", "#!/bin/sh\necho schedutil\n")
    assert ssh.examine(URL) == ssh.Machine("aarch64", "", "schedutil")


def test_nothing_there_yet(board: Path) -> None:
    with pytest.raises(FoldtinyError, match=r"there is no program of foldtiny on ssh://\S+; leave out --no-flash"):
        Device.open(URL, timeout_s=5).hello()


def test_program_that_ends(board: Path) -> None:
    (board / "home" / ".foldtiny").mkdir()
    (board / "home" / ".foldtiny" / "firmware").write_text("")
    _script(board / "bin" / "qemu-aarch64", "#!/bin/sh\nexit 0\n")
    with pytest.raises(FoldtinyError, match=r"the program on ssh://\S+ ended by itself; repeat the command without"):
        Device.open(URL, timeout_s=5).hello()


def test_no_ssh_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FoldtinyError, match="ssh is not installed; install it with: apt-get install openssh-client"):
        ssh.examine(URL)
    with pytest.raises(FoldtinyError, match="ssh is not installed"):
        Device.open(URL)

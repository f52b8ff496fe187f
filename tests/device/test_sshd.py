"""The whole way through OpenSSH itself: a server of our own on this machine, with QEMU as the board's processor."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from foldtiny.device import ssh
from foldtiny.errors import FoldtinyError
from foldtiny.pipeline import DeployRequest, deploy
from tests.device.test_ssh import _model, _script

pytestmark = pytest.mark.slow

_SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
ForceCommand {folder}/board-shell
"""
# The board: its home folder, what it says it is, and a processor that is QEMU's.
_SHELL = """#!/bin/sh
cd {folder}/home
case "$SSH_ORIGINAL_COMMAND" in
"exec .foldtiny/firmware") exec qemu-aarch64 .foldtiny/firmware ;;
*) PATH={folder}/board:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""
_CLIENT = """\
IdentityFile {folder}/user_key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile none
"""


@dataclass(frozen=True)
class Server:
    """A running server; ``known_hosts`` and ``authorized_keys`` lie in its folder."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    def trust(self, key: str = "host_key") -> None:
        """Have the client know the server by a key."""
        public = (self.folder / f"{key}.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    def admit(self, key: str = "user_key") -> None:
        """Have the server accept a key."""
        shutil.copy(self.folder / f"{key}.pub", self.folder / "authorized_keys")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert _SSHD is not None, "apt-get install openssh-server"
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host_key", "user_key", "other_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    for name in ("home", "board", "bin"):
        (folder / name).mkdir()
    _script(folder / "board" / "uname", "#!/bin/sh\necho aarch64\n")
    _script(folder / "board-shell", _SHELL.format(folder=folder))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(_CONFIG.format(folder=folder, port=port))
    # The user's own settings, without touching this user's: the client takes no home folder from the environment.
    (folder / "ssh_config").write_text(_CLIENT.format(folder=folder))
    _script(folder / "bin" / "ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    with _privilege_separation_folder(), (folder / "log").open("wb") as log:
        process = subprocess.Popen([_SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
        try:
            _await(port, process, folder / "log")
            yield Server(folder, port)
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def _privilege_separation_folder() -> Iterator[None]:
    """A server that root starts wants this folder, which only an installed service makes."""
    folder = Path("/run/sshd")
    if os.geteuid() != 0 or folder.exists():
        yield
        return
    folder.mkdir(mode=0o755)
    try:
        yield
    finally:
        folder.rmdir()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    pytest.fail(log.read_text())


@pytest.fixture(autouse=True)
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{server.folder / 'bin'}:{os.environ['PATH']}")
    server.trust()
    server.admit()


def test_deployed_and_measured(server: Server, tmp_path: Path) -> None:
    result = deploy(
        DeployRequest("jetson-nano", tflite=_model(tmp_path), output=tmp_path / "build", runs=4, port=server.url)
    )
    assert result is not None
    assert (result.bit_exact.checked, result.bit_exact.matching) == (4, 4)
    assert result.source == "simulated"  # the processor over there is QEMU's, and the firmware knows it
    copied = server.folder / "home" / ".foldtiny" / "firmware"
    assert copied.read_bytes() == Path(result.artefacts["firmware"]).read_bytes()


def test_a_host_that_is_not_known(server: Server) -> None:
    (server.folder / "known_hosts").unlink()
    with pytest.raises(FoldtinyError) as caught:
        ssh.examine(server.url)
    there = f"-p {server.port} {getpass.getuser()}@127.0.0.1"
    assert str(caught.value) == (
        f"the board at {server.url} has a host key that this machine does not know; "
        f"connect once with `ssh {there}` and compare the key it shows"
    )


def test_a_host_with_another_key(server: Server) -> None:
    server.trust("other_key")
    with pytest.raises(FoldtinyError, match="has a host key that this machine does not know; connect once with"):
        ssh.examine(server.url)


def test_a_key_that_is_not_accepted(server: Server) -> None:
    server.admit("other_key")
    with pytest.raises(FoldtinyError) as caught:
        ssh.examine(server.url)
    assert str(caught.value) == (
        f"the board at {server.url} does not accept a key of yours; let it know your key with "
        f"`ssh-copy-id -p {server.port} {getpass.getuser()}@127.0.0.1`"
    )

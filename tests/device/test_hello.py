"""The board's description: any bytes end in a description or in one error."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldtiny.device import hello, simulate
from foldtiny.device.link import Device
from foldtiny.errors import LinkError


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    for blob in (content, content + binascii.crc32(content).to_bytes(4, "little")):
        try:
            assert hello.parse(blob).tick_kind in ("cycles", "instructions", "nanoseconds")
        except LinkError as error:
            assert error.hint == "flash it with this foldtiny"


def test_wrong_checksum_and_unknown_kinds() -> None:
    with pytest.raises(LinkError, match="description of 8 bytes cannot be read: its checksum is wrong"):
        hello.parse(b"\0" * 4 + b"abcd")


@pytest.mark.parametrize(
    ("features", "kind", "profile", "simulated"),
    [(0, 0, False, False), (1, 0, True, False), (2, 2, False, True), (3, 0, True, True), (0, 1, False, True)],
)
def test_features(features: int, kind: int, profile: bool, simulated: bool) -> None:
    """A board that counts instructions is a twin even if it does not say so."""
    body = bytes((1, features, kind, 8)) + b"\1\0\0\0" + b"\0" * 10 + b"\1b\1r\1h" + b"\0\0"
    found = hello.parse(body + binascii.crc32(body).to_bytes(4, "little"))
    assert (found.profile, found.simulated) == (profile, simulated)


def test_the_hosts_build_is_no_board(host: simulate.Simulator) -> None:
    with Device.open(host.port) as device:
        assert device.hello().simulated and device.hello().tick_kind == "nanoseconds"

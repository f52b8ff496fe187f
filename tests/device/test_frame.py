"""Framing on the host: the mirror of the firmware's, and deaf to garbage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foldtiny.device.frame import PAYLOAD_MAX, Frame, Parser, decode, encode

frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=PAYLOAD_MAX))


@given(st.lists(frames, max_size=4), st.integers(1, 50))
def test_frames_arrive_in_any_slices(sent: list[Frame], step: int) -> None:
    wire = b"".join(encode(frame) for frame in sent)
    parser = Parser()
    received = [frame for at in range(0, len(wire), step) for frame in parser.feed(wire[at : at + step])]
    assert received == sent
    assert parser.garbage == 0


@given(st.binary(max_size=2000), frames)
def test_parser_finds_its_feet_after_garbage(garbage: bytes, frame: Frame) -> None:
    parser = Parser()
    assert parser.feed(garbage + encode(frame))[-1] == frame


@given(frames, st.data())
def test_a_flipped_bit_is_noticed(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(frame)[1:-1])
    bit = data.draw(st.integers(0, len(wire) * 8 - 1))
    wire[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(wire)) is None


def test_the_example_of_the_documentation() -> None:
    # docs/protocol.md prints this frame: STACK with sequence number 5.
    assert encode(Frame(5, 6)).hex(" ") == "00 04 01 05 06 03 22 b3 00"

"""What is asked for wrongly is said in one sentence, before anything runs."""

from __future__ import annotations

import pytest

from foldtiny.errors import UsageError
from foldtiny.table2 import Table2Request


def test_all_of_the_poster_by_default_and_in_its_order() -> None:
    request = Table2Request()
    assert request.chosen_boards() == ("jetson-nano", "esp-eye", "nano33ble")
    assert request.chosen_sparsities() == (0.1, 0.25, 0.5, 0.7)
    assert Table2Request(boards=("nano33ble", "esp32-eye")).chosen_boards() == ("esp-eye", "nano33ble")
    assert Table2Request(sparsities=(0.7, 0.1)).chosen_sparsities() == (0.1, 0.7)


def test_ports_go_to_their_boards() -> None:
    ports = ("sim", "nano33ble=/dev/ttyACM0", "jetson-nano=ssh://me@nano")
    request = Table2Request(ports=ports)
    assert [request.port(name) for name in ("esp-eye", "nano33ble", "jetson-nano")] == [
        "sim",
        "/dev/ttyACM0",
        "ssh://me@nano",
    ]
    assert Table2Request().port("esp-eye") == "auto"
    assert Table2Request(boards=("esp-eye",), ports=("/dev/ttyUSB0",)).port("esp-eye") == "/dev/ttyUSB0"
    # An address may hold an equals sign of its own.
    alone = Table2Request(boards=("esp-eye",), ports=("rfc2217://shelf:4000?timeout=3",))
    assert alone.port("esp-eye") == "rfc2217://shelf:4000?timeout=3"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            Table2Request(boards=("nucleo-l4r5zi",)),
            "the poster's Table 2 has no nucleo-l4r5zi (boards: jetson-nano, esp-eye, nano33ble); measure it with "
            "`foldtiny deploy --board nucleo-l4r5zi`",
        ),
        (
            Table2Request(sparsities=(0.4,)),
            "the poster's Table 2 has no sparsity 0.4 (allowed: 0.1, 0.25, 0.5, 0.7); measure others with "
            "`foldtiny deploy --sparsity`",
        ),
        (
            Table2Request(ports=("/dev/ttyUSB0",)),
            "--port /dev/ttyUSB0: which of the 3 boards is there?; write --port jetson-nano=/dev/ttyUSB0, once for "
            "each board",
        ),
        (
            Table2Request(boards=("esp-eye",), ports=("nano33ble=/dev/ttyACM0",)),
            "--port nano33ble=/dev/ttyACM0: nano33ble is not among the boards; add --boards nano33ble",
        ),
    ],
)
def test_mistakes(request_: Table2Request, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_.chosen_sparsities()
        request_.port("esp-eye")
    assert str(caught.value) == message

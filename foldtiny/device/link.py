"""The host's side of the serial link: every wait has a limit, every lost or spoilt frame is asked for again."""

from __future__ import annotations

import binascii
import contextlib
import secrets
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from foldtiny.device import hello as description
from foldtiny.device import ports
from foldtiny.device.exchange import Exchange, Refused
from foldtiny.device.frame import Refusal, Request
from foldtiny.device.hello import Hello
from foldtiny.errors import LinkError

_REDO_MAX = 8


@dataclass(frozen=True, slots=True)
class Inference:
    """The outputs of one run, and how many ticks of the board's clock it took."""

    outputs: list[bytes]
    ticks: int


@dataclass(frozen=True, slots=True)
class StackUse:
    """The deepest the stack has been since start or reset, and the room it has, in bytes."""

    high_water_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Ticks of one layer in the last run of firmware built with profiling."""

    name: str
    ticks: int


class Device:
    """A board (or its twin) on a serial port.

    Parameters
    ----------
    port : ports.Port
        An open port: anything with pyserial's ``read``, ``write``, ``in_waiting`` and ``close``, whose ``read``
        returns soon.
    name : str
        How error messages call it.
    timeout_s : float
        The longest that a request other than a run may take, retries included.
    run_timeout_s : float
        The longest that the first run may take; later ones are held to a multiple of the slowest seen.
    retry_s : float
        How long to wait for an answer before asking again; grows at each further try.
    """

    def __init__(
        self,
        port: ports.Port,
        name: str,
        *,
        timeout_s: float = 10.0,
        run_timeout_s: float = 300.0,
        retry_s: float = 0.3,
    ) -> None:
        self._port = port
        self.name = name
        self._timeout_s = timeout_s
        self._run_timeout_s = run_timeout_s
        self._exchange = Exchange(port, name, timeout_s=timeout_s, retry_s=retry_s)
        self._slowest_run_s: float | None = None
        self._hello: Hello | None = None

    @classmethod
    def open(cls, port: str, *, timeout_s: float = 10.0, run_timeout_s: float = 300.0, retry_s: float = 0.3) -> Device:
        """Open a port by name: a device, a pty, ``socket://host:port`` or ``rfc2217://host:port``.

        Raises
        ------
        LinkError
            If the port does not exist, is busy or may not be opened.
        """
        opened = ports.open_port(port)
        return cls(opened, port, timeout_s=timeout_s, run_timeout_s=run_timeout_s, retry_s=retry_s)

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def retries(self) -> int:
        """How many requests had to be repeated so far."""
        return self._exchange.retries

    def close(self) -> None:
        """Close the port."""
        with contextlib.suppress(OSError):
            self._port.close()

    def hello(self) -> Hello:
        """Ask the board who it is; asked once, then remembered.

        Raises
        ------
        LinkError
            If nothing answers, or something that does not speak this protocol.
        """
        if self._hello is None:
            self._hello = description.parse(self._read_description())
        return self._hello

    def check_model(self, model_hash: str) -> None:
        """Make sure that the board runs the model with this hash.

        Raises
        ------
        LinkError
            If it runs another model.
        """
        found = self.hello()
        if found.model_hash != model_hash:
            raise LinkError(
                f"the board on {self.name} runs another model ({found.model_hash}, expected {model_hash})",
                "flash it again with `foldtiny deploy`",
            )

    def infer(self, inputs: Sequence[bytes]) -> Inference:
        """Load the inputs, run once, and read the outputs back.

        Load, run and outputs are covered by checksums end to end; a board that resets on the way is loaded again.

        Parameters
        ----------
        inputs : sequence of bytes
            One per input, in the model's own type and layout.

        Raises
        ------
        LinkError
            If a size is wrong, the board falls silent, or the answer stays inconsistent.
        """
        told = self.hello()
        sizes = [len(data) for data in inputs]
        expected = [tensor.bytes for tensor in told.inputs]
        if sizes != expected:
            raise LinkError(f"the model takes inputs of {expected} bytes, {sizes} were given", "check the inputs")
        checksum = binascii.crc32(b"".join(inputs))
        refused: Refused | None = None
        for _ in range(_REDO_MAX):
            try:
                self._load(inputs)
                ticks, outputs_checksum = self._run(1, checksum)
                outputs = [self._read_output(index, tensor.bytes) for index, tensor in enumerate(told.outputs)]
            except Refused as error:
                if error.code not in (Refusal.NO_INPUT, Refusal.NO_OUTPUT):
                    raise self._refusal("an inference", error) from error
                refused = error
                continue
            if binascii.crc32(b"".join(outputs)) == outputs_checksum:
                return Inference(outputs, ticks[0])
        reason = "it loses what is loaded" if refused else "checksums of outputs disagree"
        raise LinkError(
            f"the board on {self.name} gave no consistent answer in {_REDO_MAX} tries ({reason})",
            "check cable and power supply",
        )

    def run(self, count: int) -> list[int]:
        """Run ``count`` times on whatever the input memory holds; return the ticks of each run."""
        run_max = self.hello().run_max
        ticks: list[int] = []
        while len(ticks) < count:
            try:
                ticks += self._run(min(run_max, max(2, count - len(ticks))), 0)[0]
            except Refused as error:
                raise self._refusal("RUN", error) from error
        return ticks[:count]

    def stack(self) -> StackUse:
        """Return the stack's high-water mark since start or reset."""
        high_water, reserved = struct.unpack("<II", self._ask(Request.STACK, b"", 8))
        return StackUse(high_water, reserved)

    def profile(self) -> list[LayerTime]:
        """Return the time of each layer in the last run.

        Raises
        ------
        LinkError
            If the firmware was built without profiling.
        """
        layers = []
        for layer in range(self.hello().layers):
            payload = self._ask(Request.PROFILE, struct.pack("<H", layer), None)
            _, _, ticks = struct.unpack_from("<HHQ", payload)
            layers.append(LayerTime(payload[12:].decode("utf-8", "replace"), ticks))
        return layers

    def reset(self) -> None:
        """Start the model afresh and paint the stack again; the chip itself does not restart."""
        self._ask(Request.RESET, b"", 0)

    def _read_description(self) -> bytes:
        blob, total = b"", 1
        while len(blob) < total:
            reply = self._ask(Request.HELLO, struct.pack("<HB", len(blob), self._exchange.chunk), None)
            total, offset = struct.unpack_from("<HH", reply)
            if offset != len(blob) or len(reply) == 4:
                raise LinkError(f"the board on {self.name} describes itself wrongly", "flash it with this foldtiny")
            blob += reply[4:]
        return blob

    def _load(self, inputs: Sequence[bytes]) -> None:
        for index, data in enumerate(inputs):
            offset = 0
            while offset < len(data):
                piece = data[offset : offset + self._exchange.chunk]
                reply = self._exchange.request(Request.LOAD, struct.pack("<BI", index, offset) + piece, 9)
                _, _, offset = struct.unpack("<BII", reply)

    def _read_output(self, index: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            reply = self._exchange.request(
                Request.OUTPUT, struct.pack("<BIB", index, len(data), self._exchange.chunk), None
            )
            if len(reply) <= 5:
                raise Refused(Refusal.RANGE)
            data += reply[5:]
        return data

    def _run(self, count: int, checksum: int) -> tuple[list[int], int]:
        # The number names this run: a repeated request with it gets the stored answer and does not run again.
        name = secrets.randbits(32)
        started = time.monotonic()
        limit = self._run_timeout_s * count
        if self._slowest_run_s is not None:
            limit = self._timeout_s + 20 * self._slowest_run_s * count
        reply = self._exchange.request(
            Request.RUN, struct.pack("<IBI", name, count, checksum), 9 + 8 * count, limit_s=limit
        )
        spent = (time.monotonic() - started) / count
        quickest = spent if self._slowest_run_s is None else min(spent, self._exchange.quickest_run_s)
        self._exchange.quickest_run_s = quickest
        self._slowest_run_s = max(spent, self._slowest_run_s or 0.0)
        _, _, outputs_checksum, *ticks = struct.unpack(f"<IBI{count}Q", reply)
        return ticks, outputs_checksum

    def _ask(self, request: Request, payload: bytes, size: int | None) -> bytes:
        try:
            return self._exchange.request(request, payload, size)
        except Refused as error:
            raise self._refusal(request.name, error) from error

    def _refusal(self, what: str, error: Refused) -> LinkError:
        hints = {
            Refusal.VERSION: "flash it with this foldtiny, they speak different protocols",
            Refusal.NO_PROFILE: "build the firmware with profiling",
            Refusal.NO_OUTPUT: "load an input first",
        }
        names = {int(code): code.name.lower().replace("_", " ") for code in Refusal}
        hint = hints.get(Refusal(error.code), "flash it again with `foldtiny deploy`") if error.code in names else ""
        reason = names.get(error.code, f"code {error.code}")
        return LinkError(f"the board on {self.name} refused {what}: {reason}", hint)

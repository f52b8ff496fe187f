"""One request, one answer, whatever the line does to the bytes in between."""

from __future__ import annotations

import secrets
import time

from foldtiny.device import ports
from foldtiny.device.frame import NAK, PAYLOAD_MAX, REPLY, RUNNING, Frame, Parser, Refusal, Request, encode
from foldtiny.errors import LinkError

_CHUNK_MIN = 16
_CHUNK_MAX = PAYLOAD_MAX - 5
_RETRY_WAIT_MAX_S = 2.0
_UNPLUGGED = "plug the board in again and repeat the command"


class Refused(Exception):
    """The board understood a request and refused it; ``code`` is a :class:`~foldtiny.device.frame.Refusal`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Exchange:
    """Sends requests over a port until each has its answer.

    Parameters
    ----------
    port : ports.Port
        An open port.
    name : str
        How error messages call it.
    timeout_s : float
        The longest that a request may take, retries included.
    retry_s : float
        How long to wait for an answer before asking again; grows at each further try.

    Attributes
    ----------
    chunk : int
        How many bytes of data to put into a frame, following how noisy the line is.
    quickest_run_s : float
        How long a run takes at least, so that nobody asks before it can be done.
    retries : int
        How often a request had to be repeated.
    """

    def __init__(self, port: ports.Port, name: str, *, timeout_s: float, retry_s: float) -> None:
        self._port = port
        self._name = name
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._parser = Parser()
        self._waiting: list[Frame] = []
        self._sequence = secrets.randbelow(256)
        self.chunk = _CHUNK_MAX
        self.quickest_run_s = 0.0
        self.retries = 0

    def request(self, kind: Request, payload: bytes, size: int | None, limit_s: float | None = None) -> bytes:
        """Send one request until its reply arrives whole, and return the reply's payload.

        Parameters
        ----------
        kind : Request
        payload : bytes
        size : int or None
            Length of the reply's payload, where it is known.
        limit_s : float, optional
            Instead of the usual limit.

        Raises
        ------
        Refused
            If the board refuses the request.
        LinkError
            If no reply comes in time, or the port is gone.
        """
        self._sequence = (self._sequence + 1) % 256
        wire = encode(Frame(self._sequence, kind, payload))
        limit = limit_s or self._timeout_s
        deadline = time.monotonic() + limit
        wait, tries = self._retry_s, 0
        while True:
            self._send(wire)
            tries += 1
            reply = self._await(kind, size, min(deadline, time.monotonic() + wait), deadline)
            if reply is not None:
                self._adapt(spoilt=tries > 1)
                return reply
            self.retries += 1
            if time.monotonic() >= deadline:
                raise self._silence(kind, tries, limit)
            wait = min(wait * 1.5, _RETRY_WAIT_MAX_S)

    def _await(self, kind: Request, size: int | None, until: float, deadline: float) -> bytes | None:
        """Wait for a reply; ``None`` means: ask again."""
        while True:
            frame = self._next_frame(until)
            if frame is None:
                return None
            if frame.type == NAK and len(frame.payload) == 2:
                code, refused = frame.payload
                if code == Refusal.FRAME:
                    return None
                if frame.sequence == self._sequence and refused == kind:
                    raise Refused(code)
            if frame.sequence != self._sequence:
                continue  # the answer to a request that was sent twice
            if frame.type == RUNNING and kind is Request.RUN:
                # The board is at work and deaf; asking again before it can be done would only fill its buffer.
                until = min(deadline, max(until, time.monotonic() + self._retry_s + 1.5 * self.quickest_run_s))
            elif frame.type == kind | REPLY and size in (None, len(frame.payload)):
                return frame.payload

    def _adapt(self, *, spoilt: bool) -> None:
        """Use shorter frames on a noisy line, where long ones hardly ever arrive whole; grow again when it is quiet."""
        if spoilt:
            self.chunk = max(_CHUNK_MIN, self.chunk * 12 // 13)
        else:
            self.chunk = min(_CHUNK_MAX, self.chunk + 6)

    def _send(self, wire: bytes) -> None:
        try:
            self._port.write(wire)
        except OSError as error:
            raise self._gone(error) from error

    def _next_frame(self, until: float) -> Frame | None:
        while not self._waiting:
            if time.monotonic() >= until:
                return None
            try:
                received = self._port.read(max(1, self._port.in_waiting))
            except OSError as error:
                raise self._gone(error) from error
            garbage = self._parser.garbage
            self._waiting = self._parser.feed(received)
            if self._parser.garbage > garbage:
                # Most likely the answer, spoilt: ask again soon, but leave a babbling line some peace.
                until = min(until, time.monotonic() + self._retry_s / 4)
        return self._waiting.pop(0)

    def _gone(self, error: OSError) -> LinkError:
        return LinkError(f"the board on {self._name} vanished ({error})", _UNPLUGGED)

    def _silence(self, kind: Request, tries: int, limit: float) -> LinkError:
        heard = "only unreadable bytes came" if self._parser.garbage else "nothing came"
        return LinkError(
            f"the board on {self._name} did not answer {kind.name} within {limit:g} s ({tries} tries, {heard})",
            "check that the firmware is flashed and no other program uses the port",
        )

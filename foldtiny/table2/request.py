"""What to put into the table, checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foldtiny import boards, paper
from foldtiny.errors import UsageError


@dataclass(frozen=True, slots=True)
class Table2Request:
    """The options of ``foldtiny table2``.

    Attributes
    ----------
    boards : tuple of str
        Names as the poster's table has them; all of them by default.
    sparsities : tuple of float
        Out of the poster's four; all of them by default.
    ports : tuple of str
        Where to run: ``auto`` or ``sim`` for all boards, a port for the only board, or ``BOARD=PORT``, repeatable.
    data : str, optional
        Images for accuracy and calibration; by default those that the network was trained for.
    output : Path
        Folder for the table and for everything that is built.
    reuse : bool
        Whether results of earlier runs in that folder may be taken.
    """

    boards: tuple[str, ...] = ()
    sparsities: tuple[float, ...] = ()
    ports: tuple[str, ...] = ()
    data: str | None = None
    output: Path = Path("build/table2")
    reuse: bool = True

    def chosen_boards(self) -> tuple[str, ...]:
        """Return the boards in the poster's order.

        Raises
        ------
        UsageError
            If there is no such board, or the poster does not have it.
        """
        known = paper.table2().boards
        wanted = [boards.get(name).name for name in self.boards]
        for name in wanted:
            if name not in known:
                raise UsageError(
                    f"the poster's Table 2 has no {name} (boards: {', '.join(known)})",
                    f"measure it with `foldtiny deploy --board {name}`",
                )
        return tuple(name for name in known if name in wanted or not wanted)

    def chosen_sparsities(self) -> tuple[float, ...]:
        """Return the sparsities in rising order.

        Raises
        ------
        UsageError
            If the poster does not have one.
        """
        known = paper.table2().sparsities
        for sparsity in self.sparsities:
            if sparsity not in known:
                raise UsageError(
                    f"the poster's Table 2 has no sparsity {sparsity:g} (allowed: {', '.join(map(str, known))})",
                    "measure others with `foldtiny deploy --sparsity`",
                )
        return tuple(sparsity for sparsity in known if sparsity in self.sparsities or not self.sparsities)

    def port(self, board: str) -> str:
        """Return where to run on a board.

        Raises
        ------
        UsageError
            If a port is meant for a board that is not in the table, or it is unclear which board a port belongs to.
        """
        chosen = self.chosen_boards()
        return _ports(self.ports, chosen).get(board, "auto")


def _ports(given: Sequence[str], chosen: Sequence[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for text in given:
        name, separator, port = text.partition("=")
        if separator and "/" not in name and ":" not in name:
            board = boards.get(name).name
            if board not in chosen:
                raise UsageError(f"--port {text}: {board} is not among the boards", f"add --boards {board}")
            result[board] = port
        elif text in ("auto", "sim"):
            result |= {board: text for board in chosen if board not in result}
        elif len(chosen) == 1:
            result[chosen[0]] = text
        else:
            raise UsageError(
                f"--port {text}: which of the {len(chosen)} boards is there?",
                f"write --port {chosen[0]}={text}, once for each board",
            )
    return result

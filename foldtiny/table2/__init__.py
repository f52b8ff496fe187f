"""``foldtiny table2``: the poster's Table 2, beside the same configuration and the deployment of today."""

from __future__ import annotations

from foldtiny.table2.cells import Cell, Figures, Table
from foldtiny.table2.fill import run
from foldtiny.table2.request import Table2Request

__all__ = ["Cell", "Figures", "Table", "Table2Request", "run"]

"""``python -m foldtiny``."""

from foldtiny.cli import main

main()

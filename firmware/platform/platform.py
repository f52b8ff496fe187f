"""PlatformIO development platform for foldtiny's simulated boards: no packages, the system's compilers."""

from platformio.public import PlatformBase


class FoldtinysimPlatform(PlatformBase):
    def is_embedded(self):
        return True

"""The sliding window that convolutions and pooling share: output size and padding, as TFLite computes them."""

from __future__ import annotations

from dataclasses import dataclass

from foldtiny.aot.site import Site

_PADDINGS = {0: "SAME", 1: "VALID"}


@dataclass(frozen=True, slots=True)
class Window:
    """A window's size, step, spacing and the rows and columns of padding before the image."""

    k_h: int
    k_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    padding: str

    def steps(self) -> dict[str, int]:
        """Return the fields that the kernels' shapes have in common after the window's size."""
        return {
            "stride_h": self.stride_h,
            "stride_w": self.stride_w,
            "dilation_h": self.dilation_h,
            "dilation_w": self.dilation_w,
            "pad_top": self.pad_top,
            "pad_left": self.pad_left,
        }

    def describe(self) -> str:
        """Return the window in words."""
        text = f"{self.k_h}x{self.k_w} window"
        if (self.stride_h, self.stride_w) != (1, 1):
            text += f", stride {self.stride_h}x{self.stride_w}"
        if (self.dilation_h, self.dilation_w) != (1, 1):
            text += f", dilation {self.dilation_h}x{self.dilation_w}"
        return f"{text}, {self.padding}"


def _along(size: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Return (output size, padding before) along one axis (``ComputePaddingHeightWidth``)."""
    reach = (kernel - 1) * dilation + 1
    output = -(-size // stride) if padding == "SAME" else (size + stride - reach) // stride
    before = max(0, (output - 1) * stride + reach - size) // 2
    return output, before


def window(
    site: Site, image: tuple[int, int], kernel: tuple[int, int], *, dilated: bool
) -> tuple[Window, tuple[int, int]]:
    """Read a window's options; return it with the output's height and width."""
    padding = _PADDINGS.get(site.option("Padding"))
    if padding is None:
        site.fail(f"padding {site.option('Padding')}", "SAME or VALID")
    stride_h, stride_w = site.positive("StrideH"), site.positive("StrideW")
    dilation_h = site.positive("DilationHFactor") if dilated else 1
    dilation_w = site.positive("DilationWFactor") if dilated else 1
    out_h, pad_top = _along(image[0], kernel[0], stride_h, dilation_h, padding)
    out_w, pad_left = _along(image[1], kernel[1], stride_w, dilation_w, padding)
    if out_h < 1 or out_w < 1:
        site.fail(f"a {kernel[0]}x{kernel[1]} window on a {image[0]}x{image[1]} image", "a window inside the image")
    return Window(kernel[0], kernel[1], stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, padding), (
        out_h,
        out_w,
    )

"""The user's own networks: ``package.module:factory``, named on the command line."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from pathlib import Path
from typing import Any

from torch import nn

from foldtiny.errors import UsageError

_SPEC = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")


def is_factory(spec: str) -> bool:
    """Return whether ``spec`` looks like ``package.module:factory``."""
    return _SPEC.fullmatch(spec) is not None


def build(spec: str) -> nn.Module:
    """Import the module, looking in the current folder first, call the factory and return its network.

    This runs the user's code, so it is only for what the user named, never for what a file names.

    Raises
    ------
    UsageError
        If there is no such module or factory, if either raises, or if the result is not a network.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise UsageError(f"{spec!r} does not name a network", "write it as package.module:factory")
    module = _import(match["module"])
    found = getattr(module, match["name"], None)
    if found is None:
        near = difflib.get_close_matches(match["name"], dir(module), n=1)
        raise UsageError(
            f"the module {match['module']} has no {match['name']}",
            f"did you mean {match['module']}:{near[0]}?" if near else "name a function in it that returns the network",
        )
    if isinstance(found, nn.Module):
        return _whole(spec, found)
    if not callable(found):
        raise UsageError(
            f"{spec} is of type {type(found).__name__} (expected: a function that returns a torch.nn.Module)",
            "name the function",
        )
    try:
        network = found()
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{spec} raised {_describe(error)}", "make it callable without arguments and mend the error"
        ) from error
    if not isinstance(network, nn.Module):
        raise UsageError(
            f"{spec} returned {type(network).__name__} (expected: a torch.nn.Module)", "return the network itself"
        )
    return _whole(spec, network)


def _whole(spec: str, network: nn.Module) -> nn.Module:
    """Refuse a network with weights that do not exist before its first run."""
    for name, module in network.named_modules():
        if any(nn.parameter.is_lazy(weight) for weight in (*module.parameters(False), *module.buffers(False))):
            raise UsageError(
                f"{spec}: {name or 'the network'} ({type(module).__name__}) has no weights before its first run "
                "(expected: layers of known sizes)",
                "run the network once on an image before returning it",
            )
    return network


def _import(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise UsageError(
                f"there is no Python module {missing!r} here or among those installed",
                "run foldtiny in the folder that holds it, or install it into the same environment",
            ) from error
        raise UsageError(
            f"the module {name} needs {missing!r}, which is not installed", "install it into the same environment"
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"importing {name} raised {_describe(error)}", "mend the error in that module") from error


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

"""Optional packages: imported where they are needed, named with the extra that installs them."""

from __future__ import annotations

import importlib
from typing import Any

from etc_edge.core.errors import DependencyError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional module.

    Args:
        module: dotted module name, such as `onnxruntime`.
        extra: the extra of etc-edge that installs it.
        purpose: what it is needed for, as in "compiling for ONNX Runtime".

    Raises:
        DependencyError: the module is not installed, or breaks while it is imported.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).split(".")[0]
        raise DependencyError(
            f"Found no package {missing!r}, which {purpose} needs.",
            f'Try: pip install "etc-edge[{extra}]"',
        ) from error
    except ImportError as error:
        raise DependencyError(
            f"The package {module!r}, which {purpose} needs, is installed but does not load: {error}.",
            f'Try: pip install --force-reinstall "etc-edge[{extra}]"',
        ) from error

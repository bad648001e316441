"""Device profiles: what boards and GPUs can do, and what a build for one of them asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from etc_edge.core.errors import CompileError
from etc_edge.core.recipe import load_recipe
from etc_edge.core.shipped import find_shipped, shipped_names

FOLDER = "recipes/targets"

Precision = Literal["int8", "fp8", "fp16", "fp32"]


class VersionRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions from `at_least` to before `below`, as dotted numbers."""

    at_least: str
    below: str

    def __contains__(self, version: str) -> bool:
        """Whether a version lies in the range."""
        return _numbers(self.at_least) <= _numbers(version) < _numbers(self.below)


class DeviceProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of device, as `recipes/targets/*.yaml` describe it.

    Args:
        title: its name for people.
        backend: the row of the backend table that compiles for it.
        architecture: of its GPU.
        compute_capability: of its GPU; of a family, the least.
        precisions: that its GPU has tensor cores for, the one to take first.
        dla_cores: deep learning accelerators of the largest module of the kind.
        memory_gib: of the largest module; on a Jetson the processor shares it.
        workspace_mib: scratch memory that a build may ask for.
        power_modes: names or watts as `nvpmodel` lists them.
        tensorrt: versions that support it.
        jetpack: major versions that support it; none for what is no Jetson.
    """

    title: str
    backend: Literal["tensorrt"] = "tensorrt"
    architecture: str
    compute_capability: str
    precisions: list[Precision]
    dla_cores: int = 0
    memory_gib: int
    workspace_mib: int
    power_modes: list[str] = []
    tensorrt: VersionRange
    jetpack: list[int] = []


@dataclass(frozen=True)
class ResolvedTarget:
    """A profile with the user's wishes, checked against it."""

    name: str
    profile: DeviceProfile
    precision: Precision
    dla_core: int | None
    workspace_mib: int

    def engine_options(self) -> dict[str, str | int | None]:
        """The fields of `EngineOptions` that it decides."""
        return {"precision": self.precision, "dla_core": self.dla_core, "workspace_mib": self.workspace_mib}


def profile_names() -> list[str]:
    """Names that `--target` knows devices by."""
    prefix = FOLDER.partition("/")[2] + "/"
    return [name.removeprefix(prefix) for name in shipped_names("recipes") if name.startswith(prefix)]


def load_profile(name: str) -> DeviceProfile:
    """A shipped profile, or one in a YAML file.

    Raises:
        RecipeError: no such profile, or a file that does not fit the schema.
    """
    return load_recipe(find_shipped(FOLDER, name), DeviceProfile)


def resolve(
    name: str,
    bundle_precision: str,
    precision: str | None = None,
    dla_core: int | None = None,
    workspace_mib: int | None = None,
) -> ResolvedTarget:
    """What to build for a device.

    Args:
        name: of the profile.
        bundle_precision: `int8` or `fp32`: an INT8 bundle is built in INT8 and a float one in FP16 if nothing is said.
        precision: the user's wish.
        dla_core: the deep learning accelerator to run on; None takes the GPU. On one FP16 is taken if nothing is said,
            because Q/DQ pairs split the network there.
        workspace_mib: the user's wish.

    Raises:
        CompileError: the device cannot do it.
    """
    profile = load_profile(name)
    title = profile.title
    usual: Precision = "int8" if bundle_precision == "int8" and dla_core is None else "fp16"
    chosen: Precision = usual if precision is None else _precision(precision, title, profile)
    if dla_core is not None:
        _check_dla(dla_core, chosen, title, profile)
    workspace = profile.workspace_mib if workspace_mib is None else workspace_mib
    if not 0 < workspace <= profile.memory_gib * 1024:
        raise CompileError(
            f"Found a workspace of {workspace} MiB for {title}, expected 1 to {profile.memory_gib * 1024}.",
            f"Try: --workspace-mib {profile.workspace_mib}",
        )
    return ResolvedTarget(name, profile, chosen, dla_core, workspace)


def check_tensorrt(resolved: ResolvedTarget, version: str) -> None:
    """Hold the installed TensorRT to what a device is supported by.

    Raises:
        CompileError: another version.
    """
    supported = resolved.profile.tensorrt
    if version not in supported:
        raise CompileError(
            f"Found TensorRT {version} for {resolved.profile.title}, expected {supported.at_least} or later and "
            f"before {supported.below}."
        )


def _precision(wanted: str, title: str, profile: DeviceProfile) -> Precision:
    for known in profile.precisions:
        if known == wanted:
            return known
    hint = "FP8 needs an Ada, Hopper or Blackwell GPU, or Thor." if wanted == "fp8" else None
    raise CompileError(
        f"Found precision {wanted!r} for {title}, expected one of {', '.join(profile.precisions)}.", hint
    )


def _check_dla(core: int, precision: Precision, title: str, profile: DeviceProfile) -> None:
    if profile.dla_cores == 0:
        raise CompileError(f"Found DLA core {core} for {title}, which has none.", "Leave --dla-core out: the GPU runs.")
    if not 0 <= core < profile.dla_cores:
        raise CompileError(f"Found DLA core {core} for {title}, expected 0 to {profile.dla_cores - 1}.")
    if precision not in ("int8", "fp16"):
        raise CompileError(f"Found precision {precision!r} for a DLA, expected fp16 or int8.", "Try: --precision fp16")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())

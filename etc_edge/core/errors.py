"""Every error that etc-edge raises on purpose.

    EtcEdgeError
    ├── RecipeError        a recipe or another settings file
    ├── DatasetError       labelled data on disk
    ├── CheckpointError    trained weights
    ├── TrainingError      a run that cannot go on
    ├── CalibrationError   ranges, observers, calibration data
    ├── GraphError         an ONNX graph
    ├── BundleError        a NAME.etc folder
    ├── CompileError       turning a bundle into an engine
    ├── EngineError        running an engine
    ├── SourceError        where frames come from
    ├── SinkError          where results go
    ├── PreviewError       showing a run in a browser
    ├── ResultsError       a results file
    ├── GateError          a condition on results that cannot be decided
    └── DependencyError    an optional package that is missing

`message` says what was found and what was expected, `hint` what to do. Errors of other libraries are mapped
to these with `raise … from error`.
"""

from __future__ import annotations


class EtcEdgeError(Exception):
    """An expected failure with one clear line for the user.

    Args:
        message: what was found and what was expected.
        hint: what to do about it, or None when the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} {self.hint}"

    def __reduce__(self) -> tuple[type[EtcEdgeError], tuple[str, str | None]]:
        return type(self), (self.message, self.hint)


class RecipeError(EtcEdgeError):
    """A recipe that cannot be read or does not fit its schema."""


class DatasetError(EtcEdgeError):
    """Labelled data that is missing, damaged or does not fit its classes."""


class CheckpointError(EtcEdgeError):
    """Weights that are missing, damaged or do not cover the network."""


class TrainingError(EtcEdgeError):
    """A training run that cannot start or go on."""


class CalibrationError(EtcEdgeError):
    """Ranges or calibration data that do not fit the graph."""


class GraphError(EtcEdgeError):
    """An ONNX graph that is damaged or of a kind that is not supported."""


class BundleError(EtcEdgeError):
    """A bundle that is incomplete, changed or of an unknown version."""


class CompileError(EtcEdgeError):
    """A bundle that an engine's compiler refused."""


class EngineError(EtcEdgeError):
    """An engine that could not be loaded or run."""


class SourceError(EtcEdgeError):
    """Frames that could not be opened or read."""


class SinkError(EtcEdgeError):
    """Results that could not be written."""


class PreviewError(EtcEdgeError):
    """A preview that cannot be shown as it was asked for."""


class ResultsError(EtcEdgeError):
    """A results file that cannot be read or compared."""


class GateError(EtcEdgeError):
    """A gate that is no condition, or names what no results hold or what was not measured."""

    # A gate that cannot be decided must not look like one that fired.
    exit_code = 2


class DependencyError(EtcEdgeError):
    """An optional package that the work at hand needs and that is not installed."""

"""What a report is about: results, with the pictures that lie beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import UnsetType

from etc_edge.core.pictures import Pictures, load_pictures, pictures_folder
from etc_edge.core.results import Results, load_all_results


@dataclass(frozen=True)
class Subject:
    """One measured model.

    Args:
        results: its results.
        pictures: what was drawn of its evaluation, where anything was.
        folder: where they lie.
    """

    results: Results
    pictures: Pictures | None = None
    folder: Path = Path()


def load_subjects(files: Sequence[Path]) -> list[Subject]:
    """Read results files; pictures are taken only where they are of these very models and data.

    Raises:
        ResultsError: a file, or the index of its pictures, cannot be read.
    """
    subjects = []
    for file in files:
        folder = pictures_folder(file)
        pictures = load_pictures(folder)
        for results in load_all_results(file):
            own = pictures if pictures is not None and _belong(pictures, results) else None
            subjects.append(Subject(results, own, folder))
    return subjects


def _belong(pictures: Pictures, results: Results) -> bool:
    reference = results.reference
    their_reference = reference if isinstance(reference, UnsetType) else reference.bundle.sha256
    theirs = results.bundle.sha256, their_reference, results.data
    return (pictures.model_sha256, pictures.reference_sha256, pictures.data) == theirs

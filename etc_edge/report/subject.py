"""What a report is about: results, with the pictures that lie beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import UnsetType

from etc_edge.core.pictures import Pictures, load_pictures, pictures_folder
from etc_edge.core.results import Results, load_all_results
from etc_edge.core.sensitivity import Sensitivity, load_sensitivity, sensitivities_beside


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


def load_sensitivities(
    files: Sequence[Path], results: Sequence[Results], given: Sequence[Path] = ()
) -> list[Sensitivity]:
    """What groups of the networks cost: the files that are given, then those that lie beside results and fit.

    Args:
        files: results files; of the files `*.sensitivity.json` in their folders those of these very models are taken.
        results: what the files hold.
        given: files to read whatever they are about.

    Raises:
        ResultsError: a file cannot be read.
    """
    hashes = {one.bundle.sha256 for one in results}
    hashes |= {one.reference.bundle.sha256 for one in results if not isinstance(one.reference, UnsetType)}
    beside = [path for file in files for path in sensitivities_beside(file)]
    asked = dict.fromkeys(path.resolve() for path in given)
    paths = dict.fromkeys([*asked, *(path.resolve() for path in beside)])
    found = []
    for path in paths:
        one = load_sensitivity(path)
        if path in asked or one.bundle.get("sha256") in hashes:
            found.append(one)
    return found


def _belong(pictures: Pictures, results: Results) -> bool:
    reference = results.reference
    their_reference = reference if isinstance(reference, UnsetType) else reference.bundle.sha256
    theirs = results.bundle.sha256, their_reference, results.data
    return (pictures.model_sha256, pictures.reference_sha256, pictures.data) == theirs

"""What the pipelines have made of another cohort."""

from __future__ import annotations

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError


class OtherCohortDataset(AbstractDataset[NoReturn, Any]):
    """Loads a file as `dataset`, a catalog entry, says; where it is not there yet, says what makes it. Read only."""

    def __init__(self, *, dataset: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        self._dataset = AbstractDataset.from_config("dataset", dataset)
        self._path = dataset["filepath"]
        self.metadata = metadata

    def load(self) -> Any:
        """Return the file's content; raises DatasetError with what to do where there is none."""
        if not self._exists():
            raise DatasetError(
                f"There is no file {self._path} of the other cohort. Make it first: `kedro run --pipeline pretraining` "
                "with that cohort's environment, such as `--env bus_bra`."
            )
        return self._dataset.load()

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: it is saved where that cohort is run."""
        raise DatasetError(f"{self._path} is another cohort's, and not written here.")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._path}

    def _exists(self) -> bool:
        return bool(self._dataset.exists())

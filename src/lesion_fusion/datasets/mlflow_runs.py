"""MLflow as datasets: a child run a model, the study's tags on the parent, and the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import mlflow
from kedro.io import AbstractDataset, DatasetError
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

import lesion_fusion
from lesion_fusion.evaluation.promotion import Champion

if TYPE_CHECKING:
    from lesion_fusion.models.run_record import RunRecord

_TYPES = {float: DataType.double, str: DataType.string, bool: DataType.boolean}

# What a registered model of each family is made from.
_SEES = {
    "clinical": "the patient's record",
    "imaging": "the B-mode image and the lesion's outline",
    "fusion": "the patient's record and the B-mode image with the lesion's outline",
}
# What the served model imports, beside the package itself, which travels inside it.
_SERVING_PACKAGES = (
    "keras",
    "mlflow",
    "numpy",
    "pandas",
    "pillow",
    "pydantic",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "skops",
)
_BACKEND_PACKAGES = ("tensorflow-cpu", "tensorflow", "jax", "torch", "xgboost-cpu", "xgboost")


class MlflowChildRunDataset(AbstractDataset["RunRecord", dict[str, str]]):
    """Saves a `RunRecord` as a child of the active run; loads a reference to what was saved.

    It never exists beforehand: a new parent run gets child runs of its own, of reused results too, so that the runs of
    two parents can be compared. `model` (`<family>.<model>`) and `cohort` find the last run of an earlier session, for
    one that runs the stage of fusion alone.
    """

    def __init__(self, *, model: str, cohort: str, metadata: dict[str, Any] | None = None) -> None:
        self._model = model
        self._cohort = cohort
        self._reference: dict[str, str] | None = None
        self.metadata = metadata

    def load(self) -> dict[str, str]:
        """Return the reference of the run saved in this session, or else of the last one."""
        return self._reference or self._last_reference()

    def _last_reference(self) -> dict[str, str]:
        family, _, name = self._model.partition(".")
        found = mlflow.search_runs(
            filter_string=f"tags.family = '{family}' and tags.model = '{name}' and tags.cohort = '{self._cohort}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
            output_format="list",
        )
        outputs = found[0].outputs.model_outputs if found and found[0].outputs else []
        if not outputs:
            raise DatasetError(f"No run of {self._model} on {self._cohort} was tracked: run without --tags.")
        return _reference(self._model, found[0].info.run_id, f"models:/{outputs[0].model_id}", found[0].data.tags)

    def save(self, data: RunRecord) -> None:
        """Write the run: tags, parameters, metrics, histories, figures, tables and the servable model."""
        with mlflow.start_run(run_name=data.full_name, nested=True) as run:
            mlflow.set_tags({"family": data.family, "model": data.name, **_package_tags(), **data.tags})
            mlflow.set_tag(MLFLOW_RUN_NOTE, data.note)
            mlflow.log_params(data.parameters)
            for name, values in data.histories.items():
                for step, value in values.items():
                    mlflow.log_metric(name, value, step=step)
            with tempfile.TemporaryDirectory() as workshop:
                for name, figure in data.figures.items():
                    (Path(workshop) / name).write_bytes(figure)
                for name, table in data.tables.items():
                    table.to_csv(Path(workshop) / name, index=False)
                mlflow.log_artifacts(workshop)
            logged = _log_model(data)
            mlflow.log_metrics(data.metrics, model_id=logged.model_id)
            self._reference = _reference(data.full_name, run.info.run_id, logged.model_uri, data.tags)

    def _describe(self) -> dict[str, Any]:
        return {"model": self._model, "cohort": self._cohort}

    def _exists(self) -> bool:
        return False


def _reference(model: str, run_id: str, model_uri: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return where a run's model is, with the tags by which the promotion judges it."""
    judged = {name: tags[name] for name in ("cohort_digest", "folds_digest", "needs") if name in tags}
    return {"model": model, "run_id": run_id, "model_uri": model_uri, **judged}


def _log_model(data: RunRecord) -> Any:
    # Imported here: these bring scikit-learn and the networks' code along, which a run without models does without.
    from lesion_fusion.models.bundle import save_bundle
    from lesion_fusion.serving import entry_path
    from lesion_fusion.serving.schema import answer_fields, request_fields

    # Of any type and optional: what is wrong with a cell, or missing, the model says itself, with row, field and mend.
    columns = [ColSpec(AnyType(), name, required=False) for name in request_fields(data.model)]
    given = [ColSpec(_TYPES[kind], name, required=False) for name, kind in answer_fields(data.model).items()]
    with tempfile.TemporaryDirectory() as workshop:
        bundle = Path(workshop) / "bundle"
        save_bundle(data.model, bundle)
        data.domain.save(bundle)
        return mlflow.pyfunc.log_model(
            name=data.full_name.replace(".", "-"),
            python_model=str(entry_path()),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(Path(lesion_fusion.__file__).parent)],
            pip_requirements=_requirements(),
            signature=ModelSignature(inputs=Schema(columns), outputs=Schema(given)),
            input_example=data.input_example,
            metadata={"lesion_fusion_version": lesion_fusion.__version__},
        )


def _requirements() -> list[str]:
    """Return the serving environment's packages at the versions in use."""
    from importlib.metadata import PackageNotFoundError

    found = []
    for name in (*_SERVING_PACKAGES, *_BACKEND_PACKAGES):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _package_tags() -> dict[str, str]:
    parent = mlflow.active_run()
    tags = {"package_version": lesion_fusion.__version__}
    if parent is not None and parent.data.tags.get("mlflow.parentRunId"):
        commit = MlflowClient().get_run(parent.data.tags["mlflow.parentRunId"]).data.tags.get("git_commit")
        tags |= {"git_commit": commit} if commit else {}
    return tags


class MlflowTagsDataset(AbstractDataset[dict[str, str], NoReturn]):
    """Saves a dictionary as tags of the active run."""

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> NoReturn:
        """Refuse: tags are read in MLflow."""
        raise DatasetError("Tags of a run are written, not read.")

    def save(self, data: dict[str, str]) -> None:
        """Set the tags."""
        mlflow.set_tags(data)

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return False


class MlflowChampionsDataset(AbstractDataset[NoReturn, dict[str, Champion]]):
    """Loads the present champions of the registered models, by registered name."""

    ALIAS = "champion"

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> dict[str, Champion]:
        """Return the champions; a registered model without one is left out."""
        client = MlflowClient()
        champions = {}
        for registered in client.search_registered_models():
            number = registered.aliases.get(self.ALIAS)
            if number is None:
                continue
            tags = client.get_model_version(registered.name, number).tags
            if {"cohort", "cohort_digest", "folds_digest", "auroc"} <= set(tags):
                champions[registered.name] = Champion(
                    tags["cohort"], tags["cohort_digest"], tags["folds_digest"], float(tags["auroc"])
                )
        return champions

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: champions change through the promotion alone."""
        raise DatasetError("Champions are set by the promotion.")

    def _describe(self) -> dict[str, Any]:
        return {}


class MlflowRegistryDataset(AbstractDataset[list[dict[str, Any]], NoReturn]):
    """Saves promotion decisions: registers a version of each model and sets its alias and tags."""

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> NoReturn:
        """Refuse: the registry is read in MLflow."""
        raise DatasetError("The registry is written here; read it in MLflow.")

    def save(self, data: list[dict[str, Any]]) -> None:
        """Register each decision's model under its name and alias, the reasons and the study as tags and in words."""
        client = MlflowClient()
        for decision in data:
            name = decision["registered_name"]
            tags = {
                "model": f"{decision['family']}.{decision['model']}",
                "auroc": repr(decision["auroc"]),
                "decision": decision["alias"],
                "reasons": "; ".join(decision["reasons"]),
                **decision["study"],
            }
            registered = mlflow.register_model(decision["model_uri"], name, tags=tags)
            client.set_registered_model_alias(name, decision["alias"], registered.version)
            client.update_model_version(
                name, registered.version, f"{tags['model']}, {tags['decision']}: {tags['reasons']}."
            )
            # A description that somebody wrote stays.
            if not client.get_registered_model(name).description:
                client.update_registered_model(name, _description(decision["family"]))

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return False


def _description(family: str) -> str:
    """Return what a registered model is, in words."""
    return (
        f"Classifies a breast lesion from {_SEES[family]}. The version `champion`, which passed the promotion rule, is "
        "the one to serve; each says which model it is, and why. For research only: not a medical device."
    )

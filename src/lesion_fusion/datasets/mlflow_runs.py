"""MLflow as datasets: a child run per model, the models that are stored, and the registry."""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from kedro.io import AbstractDataset, DatasetError
from mlflow.data.dataset import Dataset
from mlflow.entities import Metric
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

import lesion_fusion
from lesion_fusion.datasets.plots import PlotsDataset
from lesion_fusion.datasets.store import Place, StoredDataset
from lesion_fusion.evaluation.promotion import Champion

if TYPE_CHECKING:
    from lesion_fusion.models.base import FittedModel
    from lesion_fusion.models.domain import Domain
    from lesion_fusion.models.site import Site

_TYPES = {float: DataType.double, str: DataType.string, bool: DataType.boolean}

_DESCRIPTION = (
    "Classifies a breast lesion from {}. The version `champion`, which passed the promotion rule, is the one to serve. "
    "The description of a version is its model card; its tag `needs` says what a case must have. For research only: "
    "not a medical device."
)
# What a registered model of each family reads; how much of it differs from version to version.
_SEES = {
    "clinical": "the patient's record, without an image",
    "imaging": "the B-mode image, without the record",
    "fusion": "the patient's record and the B-mode image",
}
# What the served model imports, beside the package itself, which travels inside it.
_SERVING_PACKAGES = (
    *(
        "keras",
        "mlflow",
        "numpy",
        "pandas",
        "pillow",
        "pydantic",
        "pydicom",
        "scikit-image",
        "scikit-learn",
        "scipy",
        "shap",
        "skops",
    ),
    *("tensorflow-cpu", "tensorflow", "jax", "torch", "xgboost-cpu", "xgboost"),
)
# MLflow refuses more in one call.
MAX_METRICS_PER_BATCH = 1000
# MLflow's database has no room for more.
LONGEST_DESCRIPTION = 5000
CARD = "model_card.md"


@dataclass(frozen=True)
class RunRecord:
    """Content of one model's tracked run: `histories` are values by step, `plots` (PNG) and `tables` files by name."""

    family: str
    name: str
    tags: dict[str, str]
    parameters: dict[str, str]
    metrics: dict[str, float]
    cases: pd.DataFrame
    note: str = ""
    histories: dict[str, dict[int, float]] = field(default_factory=dict)
    plots: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.name}"


@dataclass(frozen=True)
class ServableModel:
    """A fitted model with what the served interface asks of a case, and a request as an example.

    `run_id` is the tracked run that it comes from; empty: a new one. `outline_networks` is the `.keras` file of the
    networks that draw where a request has no outline.
    """

    model: FittedModel
    domain: Domain
    input_example: pd.DataFrame
    run_id: str = ""
    outline_networks: Path | None = None


@dataclass(frozen=True)
class FamilyResults:
    """Results of a family's models by `<family>.<model>`.

    `metrics`: {"metrics": …, "attention": …}; `plots`: PNG pictures, named `<family>.<model>/<plot>`; `runs`: the id
    of each tracked run, with the tags by which the promotion judges it.
    """

    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plots: Mapping[str, bytes] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class FamilyResultsDataset(AbstractDataset[list[RunRecord], FamilyResults]):
    """Saves the runs of a family's models as children of the active run; loads them with the family's results.

    The runs never exist beforehand: a new parent run gets child runs of its own, of reused results too. `family` and
    `cohort` find the last runs of an earlier session, for one that runs a later stage alone; `metrics` and `plots` are
    the places of what the family's other nodes have stored.
    """

    def __init__(self, *, family: str, cohort: str, metrics: str, plots: str) -> None:
        self._family = family
        self._cohort = cohort
        self._metrics = Place(metrics)
        self._plots = plots
        self._runs: dict[str, dict[str, str]] | None = None

    def load(self) -> FamilyResults:
        """Return the results, with the runs saved in this session, or otherwise each model's last one.

        Runs below the active run come first: a run on several processes reads what another of them has saved.
        """
        runs = self._last_runs() if self._runs is None else self._runs
        return FamilyResults(json.loads(self._metrics.read_bytes()), PlotsDataset(filepath=self._plots).load(), runs)

    def save(self, data: list[RunRecord]) -> None:
        """Write each run: cohort, tags, parameters, metrics, histories, plots and tables."""
        self._runs = {}
        if data:
            cohort, shared = _cohort(data[0]), _package_tags()
            mlflow.log_input(cohort, "training")
            self._runs = {record.full_name: _log_run(record, cohort, shared) for record in data}

    def _last_runs(self) -> dict[str, dict[str, str]]:
        found = mlflow.search_runs(
            filter_string=(
                f"tags.family = '{self._family}' and tags.cohort = '{self._cohort}' and attributes.status = 'FINISHED'"
            ),
            order_by=["attributes.start_time DESC"],
            output_format="list",
        )
        active = mlflow.active_run()
        own = active.info.run_id if active else None
        found.sort(key=lambda run: run.data.tags.get(MLFLOW_PARENT_RUN_ID) != own)
        runs: dict[str, dict[str, str]] = {}
        for run in found:
            name = f"{self._family}.{run.data.tags['model']}"
            if name not in runs:
                runs[name] = _reference(name, run.info.run_id, run.data.tags)
        return runs

    def _describe(self) -> dict[str, Any]:
        return {"family": self._family, "cohort": self._cohort}

    def _exists(self) -> bool:
        return False


def _log_run(record: RunRecord, cohort: Dataset, shared: Mapping[str, str]) -> dict[str, str]:
    """Write a child run with as few calls as MLflow takes; return its id and its tags."""
    tags = {"family": record.family, "model": record.name, **shared, **record.tags}
    noted = tags | {MLFLOW_RUN_NOTE: record.note}
    with mlflow.start_run(run_name=record.full_name, nested=True, tags=noted) as run:
        mlflow.log_input(cohort, "training")
        with tempfile.TemporaryDirectory() as workshop:
            for name, plot in record.plots.items():
                (Path(workshop) / name).write_bytes(plot)
            for name, table in record.tables.items():
                table.to_csv(Path(workshop) / name, index=False)
            mlflow.log_artifacts(workshop)
        now, histories = run.info.start_time, record.histories.items()
        metrics = [Metric(name, value, now, 0) for name, value in record.metrics.items()]
        metrics += [Metric(name, value, now, step) for name, values in histories for step, value in values.items()]
        mlflow.log_params(record.parameters)
        for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
            MlflowClient().log_batch(run.info.run_id, metrics=metrics[start : start + MAX_METRICS_PER_BATCH])
    return _reference(record.full_name, run.info.run_id, tags)


def _cohort(record: RunRecord) -> Dataset:
    """Return the cohort as a dataset of runs, by which MLflow groups them."""
    name, digest = record.tags["cohort"], record.tags["cohort_digest"]
    return mlflow.data.from_pandas(record.cases, name=name, targets="label", digest=digest)


def _reference(model: str, run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return a model's run, with the tags by which the promotion judges it, and its commit."""
    kept = ("cohort_digest", "folds_digest", "needs", "git_commit")
    return {"model": model, "run_id": run_id} | {name: tags[name] for name in kept if name in tags}


class StoredModelsDataset(AbstractDataset[list[ServableModel], dict[str, str]]):
    """Saves models into their tracked runs, as MLflow serves them; loads the URI of each by `<family>.<model>`."""

    def __init__(self) -> None:
        self._uris: dict[str, str] | None = None

    def load(self) -> dict[str, str]:
        """Return the URIs of the models saved in this session."""
        if self._uris is None:
            raise DatasetError("No model is stored yet: the models that are put forward are saved first.")
        return self._uris

    def save(self, data: list[ServableModel]) -> None:
        """Write each model into its run, of which MLflow gives it the metrics."""
        self._uris = {}
        for servable in data:
            with mlflow.start_run(run_id=servable.run_id or None, nested=True):
                logged = _log_model(servable)
            self._uris[servable.model.full_name] = logged.model_uri

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return False


def _log_model(data: ServableModel) -> Any:
    # Imported here: these bring scikit-learn and the networks' code along, which a run without models does without.
    from lesion_fusion.models.base import save_model
    from lesion_fusion.serving import OUTLINE_NETWORKS, entry_path
    from lesion_fusion.serving.schema import answer_fields, describe_fields, request_schema

    # Of any type and optional: the model's own message says what is wrong with a cell, and how to fix it. MLflow has no
    # place for descriptions in a signature: they are in the model's metadata.
    fields = describe_fields(data.model)
    columns = [ColSpec(AnyType(), one["name"], required=False) for one in fields]
    given = [ColSpec(_TYPES[kind], name, required=False) for name, kind in answer_fields(data.model).items()]
    with tempfile.TemporaryDirectory() as workshop:
        bundle = Path(workshop) / "bundle"
        save_model(data.model, bundle)
        if data.outline_networks is not None:
            shutil.copyfile(data.outline_networks, bundle / OUTLINE_NETWORKS)
        data.domain.save(bundle)
        return mlflow.pyfunc.log_model(
            name=data.model.full_name.replace(".", "-"),
            python_model=str(entry_path()),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(Path(lesion_fusion.__file__).parent)],
            pip_requirements=_requirements(),
            signature=ModelSignature(inputs=Schema(columns), outputs=Schema(given)),
            input_example=data.input_example,
            metadata={
                "lesion_fusion_version": lesion_fusion.__version__,
                "fields": fields,
                "record_columns": list(data.model.record_columns),
                "request_schema": request_schema(data.model),
            },
        )


def _requirements() -> list[str]:
    """Return the serving environment's packages at the versions in use, of a backend those that are installed."""
    found = []
    for name in _SERVING_PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{name}=={version(name)}")
    return found


def _package_tags() -> dict[str, str]:
    """Return the tags that the active run's children share: the package's version, and the active run's commit."""
    active, tags = mlflow.active_run(), {"package_version": lesion_fusion.__version__}
    commit = MlflowClient().get_run(active.info.run_id).data.tags.get("git_commit") if active else None
    return tags | ({"git_commit": commit} if commit else {})


def register_site(address: str, registered: str, site: Site) -> str:
    """Register the model at MLflow's `address`, calibrated for a site, as a version of `registered`; return its number.

    Its alias is `site-<name>`; its tags say what it was made from.
    """
    from mlflow.models import Model

    from lesion_fusion.models.base import load_model
    from lesion_fusion.models.domain import Domain
    from lesion_fusion.serving import OUTLINE_NETWORKS

    folder = Path(mlflow.artifacts.download_artifacts(address))
    bundle = folder / "artifacts" / "bundle"
    model, domain = load_model(bundle), Domain.load(bundle).model_copy(update={"site": site})
    example = Model.load(str(folder)).load_input_example(str(folder))
    networks = next(bundle.glob(OUTLINE_NETWORKS), None)
    with mlflow.start_run(run_name=f"calibrated for {site.name}"):
        logged = _log_model(ServableModel(model, domain, example, outline_networks=networks))
    tags = {"model": model.full_name, "site": site.origin, "calibrated_from": address}
    with redirect_stderr(io.StringIO()):
        version = mlflow.register_model(logged.model_uri, registered, tags=tags).version
    alias = "site-" + re.sub(r"[^a-z0-9]+", "-", site.name.lower()).strip("-")
    MlflowClient().set_registered_model_alias(registered, alias, version)
    return str(version)


class ChampionsDataset(AbstractDataset[list[str], dict[str, Champion]]):
    """Saves names of registered models; loads the present champion of each, by name."""

    ALIAS = "champion"

    def __init__(self) -> None:
        self._names: list[str] = []

    def load(self) -> dict[str, Champion]:
        """Return the champions; a model that is not registered, or without one, is left out."""
        client = MlflowClient()
        champions = {}
        for registered in client.search_registered_models():
            number = registered.aliases.get(self.ALIAS)
            if number is None or registered.name not in self._names:
                continue
            tags = client.get_model_version(registered.name, number).tags
            if {"cohort", "cohort_digest", "folds_digest", "auroc"} <= set(tags):
                found = tags["cohort"], tags["cohort_digest"], tags["folds_digest"], float(tags["auroc"])
                champions[registered.name] = Champion(*found)
        return champions

    def save(self, data: list[str]) -> None:
        """Note whose champions are asked for."""
        self._names = data

    def _describe(self) -> dict[str, Any]:
        return {"names": self._names}

    def _exists(self) -> bool:
        return False


class PromotionDataset(StoredDataset[list[dict[str, Any]], list[dict[str, Any]]]):
    """Saves promotion decisions: registers a version of each model with its alias and tags; keeps the decisions."""

    def load(self) -> list[dict[str, Any]]:
        """Return the decisions."""
        return list(json.loads(self._place.read_bytes()))

    def save(self, data: list[dict[str, Any]]) -> None:
        """Register each decision's model under its name and alias, with tags; its card is also a file of its run."""
        for decision in data:
            _register(decision)
        self._place.write_bytes(f"{json.dumps(data, indent=2)}\n".encode())

    def _exists(self) -> bool:
        # The registry may have changed since: it is always decided anew.
        return False


def _register(decision: Mapping[str, Any]) -> None:
    client, name, model = MlflowClient(), decision["registered_name"], f"{decision['family']}.{decision['model']}"
    links, places = _places(client, decision["run_id"], model)
    tags = {"model": model, "auroc": repr(decision["auroc"]), "needs": decision["needs"], **places}
    tags |= {"decision": decision["alias"], "reasons": "; ".join(decision["reasons"]), **decision["study"]}
    tags |= {"git_commit": decision["git_commit"]} if decision["git_commit"] else {}
    # It prints that it did what it was asked for.
    with redirect_stderr(io.StringIO()):
        registered = mlflow.register_model(decision["model_uri"], name, tags=tags)
    client.set_registered_model_alias(name, decision["alias"], registered.version)
    client.log_text(decision["run_id"], decision["card"], CARD)
    client.update_model_version(name, registered.version, shorten(decision["card"], links))
    for key, value in {"family": decision["family"], "intended_use": "research only, not a medical device"}.items():
        client.set_registered_model_tag(name, key, value)
    # A description that somebody wrote stays.
    if not client.get_registered_model(name).description:
        client.update_registered_model(name, _DESCRIPTION.format(_SEES[decision["family"]]))


def _places(client: MlflowClient, run_id: str, model: str) -> tuple[str, dict[str, str]]:
    """Return where a version's run, plots and report are: links for MLflow's pages, in Markdown, and tags."""
    run, active = client.get_run(run_id).info, mlflow.active_run()
    page = f"#/experiments/{run.experiment_id}/runs/{{}}"
    links = f"[Run]({page.format(run_id)}), [plots and tables]({page.format(run_id)}/artifacts)"
    tags = {"plots": f"runs:/{run_id}"}
    if active is not None:
        links += f", [report]({page.format(active.info.run_id)}/artifacts/report.html), its section model-{model}"
        tags["report"] = f"runs:/{active.info.run_id}/report.html#model-{model}"
    return f"{links}.\n", tags


def shorten(card: str, links: str, longest: int = LONGEST_DESCRIPTION) -> str:
    """Return a card and `links` below it in at most `longest` characters, cut at the end of a line."""
    room = longest - len(links) - 1
    if len(card) > room:
        more = f"\n\nThe rest is in the run's artifact {CARD}.\n"
        card = card[: room - len(more)].rpartition("\n")[0] + more
    return f"{card}\n{links}"

"""The project's commands: `kedro run`, `score`, `serve`, and Kedro's own; a user error ends in its message alone."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any

import click
import kedro.runner
import pandas as pd
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import canonical_cell
from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.config.resolvers import tracking_uri
from lesion_fusion.datasets.clinical_table import ClinicalTableDataset
from lesion_fusion.datasets.file_folder import FileFolderDataset
from lesion_fusion.datasets.files import replacing
from lesion_fusion.errors import UserError, did_you_mean, user_error_cause, user_message
from lesion_fusion.imaging.case_files import Files
from lesion_fusion.runners.airflow import dag

# Kedro-Viz uses it; it is no concern of who looks at the lineage.
warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MODEL = click.option(
    "--model", default="models:/lesion-fusion@champion", show_default=True, help="MLflow's address of it."
)


class NoSuchModelError(UserError, LookupError):
    """A model that MLflow does not find or can't load."""


@click.group(name="lesion_fusion")
def cli() -> None:
    """Classify breast lesions from ultrasound image and record; `kedro` has further commands."""


@click.command(name="score")
@_MODEL
@click.option("--table", required=True, type=_FILE, help="The record, .xlsx, .csv or .parquet, in a published layout.")
@click.option("--layout", default="breast_lesions_usg", show_default=True, type=click.Choice(sorted(READERS)))
@click.option("--images", type=_FOLDER, help="Folder of the images; without it only the record is asked.")
@click.option("--masks", type=_FOLDER, help="Folder of the outlines; by default that of the images.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="CSV file to write.")
def score(model: str, table: Path, layout: str, images: Path | None, masks: Path | None, out: Path) -> None:
    """Score every case of a table with a registered model.

    Ends with 0 where every row could be asked, with 3 where rows were refused: they stand in the file with the reason.
    The file is written whole or not at all.
    """
    # Imported here: MLflow takes seconds, and every `kedro` command reads this file.
    from lesion_fusion.serving.batch import counts

    start = time.monotonic()
    cases = ClinicalTableDataset(filepath=str(table)).load()
    loaded = _load_model(model)
    answers = _score_all(loaded, cases, layout, images, masks)
    # A refused row lacks the numbers; any other has all columns, in their order.
    columns = max((list(answer) for answer in answers), key=len, default=[])
    with replacing(out) as draft:
        pd.DataFrame(answers, columns=columns).to_csv(draft, index=False)
    answered, abstained, refused = counts(answers)
    click.echo(
        f"{out}: {answered} of {len(answers)} cases answered, {abstained} abstained, {refused} refused, "
        f"in {time.monotonic() - start:.0f} s."
    )
    if refused:
        sys.exit(3)


@click.command(name="new-cohort")
@click.argument("table", type=_FILE)
@click.argument("images", type=_FOLDER)
@click.option("--masks", type=_FOLDER, help="Folder of the outlines; by default that of the images.")
@click.option("--env", default="my_clinic", show_default=True, help="Name of the new folder in conf/.")
def new_cohort(table: Path, images: Path, masks: Path | None, env: str) -> None:
    """Write a first draft of conf/<env>/cohort.yml by looking at a table and its images.

    Nothing is guessed: what is not certain is marked TODO, and refused until it is replaced.
    """
    # Imported here for the same reason.
    from lesion_fusion.cohort.draft import TODO, draft
    from lesion_fusion.imaging.references import outlined_images

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise click.ClickException("This is no folder of the project: run the command where its conf/ lies.")
    file = project / "conf" / env / "cohort.yml"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", env) or file.exists():
        raise click.ClickException(f"{file} exists already, or its folder has no plain name. Give another --env.")
    cells = ClinicalTableDataset(filepath=str(table)).load()
    folders = images.resolve(), (masks or images).resolve()
    places = {
        name: path.relative_to(project).as_posix() if path.is_relative_to(project) else path.as_posix()
        for name, path in zip(("table", "images", "masks"), (table.resolve(), *folders), strict=True)
    }
    found, outlines = (FileFolderDataset(filepath=str(one)).load() for one in folders)
    named = [*outlines, *(f"{file}#{name}" for file in outlines for name in outlined_images(outlines, file))]
    text = draft(cells, env.replace("_", "-"), places, found, named)
    with replacing(file) as written:
        written.write_text(text)
    todo = sum(TODO in line.partition("#")[0] for line in text.splitlines())
    click.echo(f"{file}: {todo} places are marked {TODO}. Then: kedro run --env {env} --pipeline ingestion")


@click.command(name="calibrate")
@click.argument("model")
@click.argument("table", type=_FILE, required=False)
@click.option("--site", required=True, help="Name of the site, in its alias and in every answer.")
@click.option("--share", type=click.FloatRange(0, 1, True, True), help="Malignant share of its lesions, without TABLE.")
@click.option("--layout", default="breast_lesions_usg", show_default=True, type=click.Choice(sorted(READERS)))
@click.option("--images", type=_FOLDER, help="Folder of the images.")
@click.option("--masks", type=_FOLDER, help="Folder of the outlines; by default that of the images.")
@click.option("--sensitivity", default=0.95, show_default=True, help="Least sensitivity of a new threshold.")
def calibrate(
    model: str,
    table: Path | None,
    site: str,
    share: float | None,
    layout: str,
    images: Path | None,
    masks: Path | None,
    sensitivity: float,
) -> None:
    """Fit MODEL's probability and threshold to a site's own cases in TABLE, or to its share of malignant lesions.

    MODEL is `models:/<name>@<alias>` or `models:/<name>/<version>`; the result is a new version of that name.
    """
    from lesion_fusion.datasets.mlflow_runs import register_site
    from lesion_fusion.models.site import Site, SiteError
    from lesion_fusion.serving.batch import whole_answers

    if (table is None) == (share is None):
        raise click.UsageError("Give either TABLE, with the outcomes of the site's cases, or --share.")
    loaded = _load_model(model)
    served = loaded.unwrap_python_model()
    fitted, domain = served.model, served.domain
    if domain.site is not None or len(fitted.classes) != 2:
        raise SiteError(f"{model} is calibrated for a site already, or has three classes: name another version.")
    if share is not None:
        if domain.positive_share is None:
            raise SiteError(f"{model} does not tell its training share of malignant lesions: register it anew.")
        found = Site.of_share(site, share, domain.positive_share)
    else:
        assert table is not None
        cases = ClinicalTableDataset(filepath=str(table)).load()
        answers = _score_all(loaded, cases, layout, images, masks)
        outcomes = [canonical_cell(one, COLUMN["classification"]) for one in READERS[layout](cases)["classification"]]
        probabilities, labels = whole_answers(answers, outcomes, fitted.classes)
        found = Site.of_cases(site, probabilities, labels, fitted.threshold, sensitivity)
    registered = model.removeprefix("models:/").partition("@")[0].partition("/")[0]
    version = register_site(model, registered, found)
    click.echo(f"{registered} {version}: {found.origin}.")


@click.command(name="serve")
@_MODEL
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other computers ask.")
@click.option("--port", default=5001, show_default=True, type=click.IntRange(1, 65535))
@click.option("--megabytes", default=32, show_default=True, type=click.IntRange(1), help="Largest request.")
@click.option("--cases", default=32, show_default=True, type=click.IntRange(1), help="Most cases of a request.")
@click.option("--seconds", default=60.0, show_default=True, help="Longest wait for an answer.")
def serve(model: str, host: str, port: int, megabytes: int, cases: int, seconds: float) -> None:
    """Serve a registered model over HTTP, on this computer alone by default."""
    import uvicorn

    from lesion_fusion.serving.server import MOST_WAITING, Limits, make_app

    loaded = _load_model(model).unwrap_python_model()
    app = make_app(loaded, Limits(megabytes=megabytes, cases=cases, seconds=seconds))
    click.echo(f"{loaded.version} at http://{host}:{port}/invocations; fields at /schema. Ctrl-C ends it.")
    uvicorn.run(app, host=host, port=port, log_level="warning", limit_concurrency=MOST_WAITING)


def _score_all(
    loaded: Any, cases: pd.DataFrame, layout: str, images: Path | None, masks: Path | None
) -> list[Mapping[str, object]]:
    """Return the answers of a loaded model to all rows of a table, under a progress bar."""
    from lesion_fusion.serving.batch import TOGETHER, read_rows
    from lesion_fusion.serving.batch import score as scored

    asked = set(loaded.metadata.get_input_schema().input_names())
    rows = read_rows(cases, layout, asked, _read_files(images), _read_files(masks or images))
    answers: list[Mapping[str, object]] = []
    with click.progressbar(length=len(cases), label=f"Scoring {len(cases)} cases", show_pos=True) as progress:
        while some := list(islice(rows, TOGETHER)):
            answers += scored(some, loaded.predict)
            progress.update(len(some))
    return answers


def _load_model(address: str) -> Any:
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(tracking_uri("mlflow.db"))
    try:
        return mlflow.pyfunc.load_model(address)
    except MlflowException as error:
        raise NoSuchModelError(
            f"{address} can't be loaded: {error.message}. MLflow was asked at {mlflow.get_tracking_uri()}; the "
            "variable MLFLOW_TRACKING_URI names another place."
        ) from error


def _read_files(folder: Path | None) -> Files | None:
    return FileFolderDataset(filepath=str(folder)).load() if folder else None


def with_plain_errors(command: click.Command) -> click.Command:
    """Return a command that ends a user error in its message alone."""
    callback: Callable[..., Any] | None = command.callback
    assert callback is not None

    @wraps(callback)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Either spelling of the options works, and the shorter one is the habit.
        warnings.filterwarnings("ignore", message="Option '--(pipeline|async)' is deprecated")
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            cause = user_error_cause(error)
            if cause is None:
                raise
            raise click.ClickException(user_message(cause)) from None

    return click.Command(name=command.name, callback=run, params=command.params, help=command.help)


def _check_runner(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    """Refuse a runner that does not exist; a path of another package's is left to Kedro."""
    del context, option
    if name and "." not in name and name not in kedro.runner.__all__:
        known = ["SequentialRunner", "lesion_fusion.runners.DaskRunner"]
        raise click.BadParameter(f"{name} does not exist. {did_you_mean(name, known)}")
    return name


run = with_plain_errors(kedro_run)
for option in run.params:
    if option.name == "runner":
        option.callback = _check_runner
for command in (run, *map(with_plain_errors, (score, dag, new_cohort, serve, calibrate))):
    cli.add_command(command)

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
from typing import TYPE_CHECKING, Any

import click
import kedro.runner
import pandas as pd
import yaml
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from lesion_fusion.cohort.layout import TODO, Layout
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import canonical_cell
from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.config.resolvers import tracking_uri
from lesion_fusion.datasets.clinical_table import ClinicalTableDataset
from lesion_fusion.datasets.file_folder import FileFolderDataset
from lesion_fusion.datasets.files import replacing, text_digest
from lesion_fusion.errors import UserError, did_you_mean, user_error_cause, user_message
from lesion_fusion.parameters import validated
from lesion_fusion.runners.airflow import dag

if TYPE_CHECKING:
    from lesion_fusion.imaging.case_files import Files
    from lesion_fusion.serving.batch import Journal

# Kedro-Viz uses it; it is no concern of who looks at the lineage.
warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MODEL = click.option(
    "--model", default="models:/lesion-fusion@champion", show_default=True, help="MLflow's address of it."
)


_LAYOUT = click.option(
    "--layout",
    default="breast_lesions_usg",
    show_default=True,
    callback=lambda context, option, value: _check_layout(context, option, value),
    help=f"How the table is laid out: a cohort.yml, or {' or '.join(sorted(READERS))}.",
)


class NoSuchModelError(UserError, LookupError):
    """A model that MLflow does not find or can't load."""


@click.group(name="lesion_fusion")
def cli() -> None:
    """Classify breast lesions from ultrasound image and record; `kedro` has further commands."""


@click.command(name="score")
@_MODEL
@click.option("--table", required=True, type=_FILE, help="The record, .xlsx, .csv or .parquet.")
@_LAYOUT
@click.option("--images", type=_FOLDER, help="Folder of the images; without it only the record is asked.")
@click.option("--masks", type=_FOLDER, help="Folder of the outlines; by default that of the images.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write, .csv or .parquet."
)
def score(model: str, table: Path, layout: str, images: Path | None, masks: Path | None, out: Path) -> None:
    """Score every case of a table with a registered model.

    Ends with 0 where every row could be asked, with 3 where rows were refused: they stand in the file with the reason.
    The file is written whole or not at all; an interrupted command goes on where it was, if it is given again.
    """
    # Imported here: MLflow takes seconds, and every `kedro` command reads this file.
    from lesion_fusion.serving.batch import Journal, counts

    start = time.monotonic()
    read_as, cases = _read_layout(layout, table)
    loaded = _load_model(model)
    # A version of a registered model stays what it is; an alias may have moved.
    which = getattr(loaded.metadata, "model_uuid", None) or model
    places = [str(place and place.resolve()) for place in (images, masks)]
    made_of = text_digest(which, repr(read_as), *places, cases.to_json())
    journal = Journal(out, made_of)
    if journal.answers:
        click.echo(f"{len(journal.answers)} cases were scored before the command was interrupted.")
    answers = _score_all(loaded, cases, read_as, images, masks, journal)
    # A refused row lacks the numbers; any other has all columns, in their order.
    columns = max((list(answer) for answer in answers), key=len, default=[])
    scores = pd.DataFrame(answers, columns=columns)
    with replacing(out) as draft:
        if out.suffix.lower() == ".parquet":
            scores.to_parquet(draft, index=False)
        else:
            scores.to_csv(draft, index=False)
    journal.remove()
    answered, abstained, refused = counts(answers)
    click.echo(
        f"{out}: {answered} of {len(answers)} cases answered, {abstained} abstained, {refused} refused, "
        f"in {time.monotonic() - start:.0f} s."
    )
    if refused:
        sys.exit(3)


@click.command(name="new-cohort")
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.argument("images", type=_FOLDER)
@click.option("--masks", type=_FOLDER, help="Folder of the outlines; by default that of the images.")
@click.option("--env", default="my_clinic", show_default=True, help="Name of the new folder in conf/.")
def new_cohort(table: Path, images: Path, masks: Path | None, env: str) -> None:
    """Write a first draft of conf/<env>/cohort.yml by looking at a table and its images.

    Nothing is guessed: what is not certain is marked TODO, and refused until it is replaced.
    """
    if table.is_dir():
        raise click.ClickException(
            f"{table} is a folder. For images in a folder per class copy conf/busi; see the docs."
        )
    # Imported here for the same reason.
    from lesion_fusion.cohort.draft import draft
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
@_LAYOUT
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
    from lesion_fusion.serving.batch import reader_of, whole_answers

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
        read_as, cases = _read_layout(layout, table)
        answers = _score_all(loaded, cases, read_as, images, masks)
        classes = reader_of(read_as)[0](cases)["classification"]
        outcomes = [canonical_cell(one, COLUMN["classification"]) for one in classes]
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

    from lesion_fusion.serving.server import MOST_WAITING, Limits, make_app, release_memory

    release_memory()
    loaded = _load_model(model).unwrap_python_model()
    app = make_app(loaded, Limits(megabytes=megabytes, cases=cases, seconds=seconds))
    click.echo(f"{loaded.version} at http://{host}:{port}/invocations; fields at /schema. Ctrl-C ends it.")
    uvicorn.run(app, host=host, port=port, log_level="warning", limit_concurrency=MOST_WAITING)


@click.command(name="page")
@_MODEL
@click.option("--port", default=5002, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--megabytes", default=32, show_default=True, type=click.IntRange(1), help="Largest image file.")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Whether to open the browser.")
def page(model: str, port: int, megabytes: int, browser: bool) -> None:
    """Open a page for a reader: image, outline and record in, an answer of a registered model out.

    This computer alone can open it. It needs the extra `page`.
    """
    from lesion_fusion.page.launch import open_page

    open_page(
        lambda: _load_model(model).unwrap_python_model(),
        lambda: _record_columns(model),
        *(port, megabytes, browser, click.echo),
    )


def _check_layout(context: click.Context, option: click.Parameter, layout: str) -> str:
    del context, option
    if layout not in READERS and not Path(layout).is_file():
        raise click.BadParameter(f"{layout} is no file cohort.yml. {did_you_mean(layout, sorted(READERS))}")
    return layout


def _read_layout(layout: str, table: Path) -> tuple[str | Layout, pd.DataFrame]:
    """Return a published layout or that of a cohort.yml, and the cells of the table as it says to read them."""
    if layout in READERS:
        return layout, ClinicalTableDataset(filepath=str(table)).load()
    from lesion_fusion.config.cohort_file import CohortFile

    try:
        written = yaml.safe_load(Path(layout).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{layout} is no YAML: {' '.join(str(error).split())}") from None
    cohort = validated(CohortFile, written, layout)
    told = cohort.table.model_dump(include={"encoding", "separator"})
    return cohort, ClinicalTableDataset(filepath=str(table), **told).load()


def _score_all(
    loaded: Any,
    cases: pd.DataFrame,
    layout: str | Layout,
    images: Path | None,
    masks: Path | None,
    journal: Journal | None = None,
) -> list[Mapping[str, object]]:
    """Return a loaded model's answers to all rows of a table, under a progress bar; those in `journal` are kept."""
    from lesion_fusion.serving.batch import TOGETHER, read_rows
    from lesion_fusion.serving.batch import score as scored

    asked = set(loaded.metadata.get_input_schema().input_names())
    answers: list[Mapping[str, object]] = [] if journal is None else list(journal.answers)
    rows = read_rows(cases, layout, asked, _read_files(images), _read_files(masks or images), len(answers))
    with click.progressbar(length=len(cases), label=f"Scoring {len(cases)} cases", show_pos=True) as progress:
        progress.update(len(answers))
        while some := list(islice(rows, TOGETHER)):
            found = scored(some, loaded.predict)
            if journal is not None:
                journal.add(found)
            answers += found
            progress.update(len(some))
    return answers


def _load_model(address: str) -> Any:
    import mlflow.pyfunc

    return _ask_mlflow(mlflow.pyfunc.load_model, address)


def _record_columns(address: str) -> list[str] | None:
    """Return the columns of the record that a model reads, without loading it; None where it does not tell."""
    import mlflow.models

    return (_ask_mlflow(mlflow.models.get_model_info, address).metadata or {}).get("record_columns")


def _ask_mlflow(ask: Callable[[str], Any], address: str) -> Any:
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(tracking_uri("mlflow.db"))
    try:
        return ask(address)
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
for command in (run, *map(with_plain_errors, (score, dag, new_cohort, serve, page, calibrate))):
    cli.add_command(command)

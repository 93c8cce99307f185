"""Command `kedro dag`: a pipeline as an Airflow DAG, one task per group, written for another scheduler to run."""

from __future__ import annotations

from pathlib import Path

import click
from jinja2 import Environment, PackageLoader, StrictUndefined
from kedro.framework.project import pipelines

from lesion_fusion.errors import UserError, did_you_mean
from lesion_fusion.runners.groups import Group, grouped


class UnknownPipelineError(UserError, LookupError):
    """A pipeline that is not registered."""


@click.command(name="dag")
@click.option("--pipelines", "names", default="__default__", show_default=True, help="Names, separated by commas.")
@click.option("--env", default="local", show_default=True, help="Environment of conf/.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the DAGs.")
def dag(names: str, env: str, out: Path) -> None:
    """Write pipelines as Airflow DAGs, one file each, whose tasks are the groups that DaskRunner runs."""
    # Imported here: the parts behind the types take seconds, and every `kedro` command reads this file.
    from kedro.utils import find_kedro_project

    from lesion_fusion.config.loader import ProjectConfigLoader
    from lesion_fusion.config.reading import read_configuration, use
    from lesion_fusion.settings import CONFIG_LOADER_ARGS

    conf = (find_kedro_project(Path.cwd()) or Path.cwd()) / "conf"
    use(read_configuration(ProjectConfigLoader(str(conf), env, **CONFIG_LOADER_ARGS)))
    out.mkdir(parents=True, exist_ok=True)
    for name in names.split(","):
        if name not in pipelines:
            raise UnknownPipelineError(f"--pipelines: {name} does not exist. {did_you_mean(name, sorted(pipelines))}")
        file = out / f"{dag_id(name, env).replace('-', '_')}.py"
        file.write_text(airflow_dag(name, env, grouped(pipelines[name])))
        click.echo(f"{file}: DAG {dag_id(name, env)}")


def dag_id(pipeline: str, env: str) -> str:
    """Return the id of a pipeline's DAG, of which each pipeline and environment has its own."""
    return "-".join(["lesion-fusion", pipeline.strip("_"), *([env] if env != "local" else [])])


def airflow_dag(pipeline: str, env: str, groups: list[Group]) -> str:
    """Return the Python code of a DAG whose tasks are `groups`, each a `kedro run` of its nodes."""
    environment = Environment(
        loader=PackageLoader("lesion_fusion.runners", "."), undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template("airflow_dag.py.j2")
    return template.render(pipeline=pipeline, env=env, groups=groups, dag_id=dag_id(pipeline, env)) + "\n"

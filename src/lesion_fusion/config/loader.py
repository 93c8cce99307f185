"""Loader of `conf/`: parameters are checked as one tree when they are read, and a fault is named with file and line.

Kedro-Viz and notebooks read `conf/` without the project's hooks, so that the loader does it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError
from kedro.io.core import parse_dataset_definition
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lesion_fusion.errors import UserError, did_you_mean
from lesion_fusion.parameters import validated

# An environment of this file alone is a cohort.
COHORT_FILE = "cohort.yml"


class ConfigurationError(UserError, ValueError):
    """A folder or file of `conf/` that is missing or can't be read."""


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader; of `parameters` it returns the checked ones, with all defaults."""

    def __init__(self, conf_source: str, env: str | None = None, *arguments: Any, **settings: Any) -> None:
        folder, needed = Path(conf_source), env or settings.get("default_run_env")
        # An archive or an address is read by Kedro alone.
        if not folder.suffix and "://" not in conf_source:
            if not (folder / "base").is_dir():
                raise ConfigurationError(
                    f"There is no configuration in {folder}. Run the command in the folder of the project, or name the "
                    "project's folder conf/ with --conf-source."
                )
            known = sorted(path.name for path in folder.iterdir() if path.is_dir())
            if needed and needed not in known:
                raise ConfigurationError(f"{folder} has no environment {needed}. {did_you_mean(needed, known)}")
        super().__init__(conf_source, env, *arguments, **settings)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return one kind of configuration; ConfigurationError or InvalidParameterError for what can't be used."""
        if key == "parameters" and key not in self:
            # Imported here: Kedro imports this module for every command, and the parts behind the types take seconds.
            from lesion_fusion.config.reading import read_configuration, use

            configuration = read_configuration(self)
            use(configuration)
            self[key] = configuration.for_nodes()
        if key == "mlflow":
            from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

            validated(KedroMlflowConfig, self.unchecked(key), key, self.place)
        found = self.unchecked(key)
        if key == "catalog":
            for name, entry in found.items():
                self._check_dataset(name, entry)
        return found

    def unchecked(self, key: str) -> dict[str, Any]:
        """Return one kind of configuration as it is written; ConfigurationError for a file that can't be read."""
        try:
            return self._with_cohort(key, super().__getitem__(key))
        except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
            raise ConfigurationError(self._in_words(error)) from error

    def _with_cohort(self, key: str, found: dict[str, Any]) -> dict[str, Any]:
        """Return one kind of configuration with what the environment's cohort.yml says of it, where there is one."""
        file = Path(self.conf_source) / (self.env or "") / COHORT_FILE
        if key not in ("globals", "parameters", "catalog") or not self.env or not file.is_file():
            return found
        from lesion_fusion.config.cohort_file import CohortFile

        root = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
        cohort = validated(CohortFile, root, written=self.place)
        return cohort.added_to(key, found, self.env)

    def _check_dataset(self, name: str, entry: dict[str, Any]) -> None:
        """Raise ConfigurationError for a type that does not exist, or an argument that it does not take."""
        unknown: list[str] = []
        hint = ""
        try:
            kind, arguments = parse_dataset_definition({k: v for k, v in entry.items() if k != "validator"})
            known = signature(kind).parameters
            unknown = [argument for argument in arguments if argument not in known][:1]
            hint = "".join(f"it takes no {argument}. {did_you_mean(argument, known)}" for argument in unknown)
            signature(kind).bind(**arguments)
        except (DatasetError, TypeError) as error:
            problem = hint or str(error).splitlines()[0]
            raise ConfigurationError(f"{self.place([name, *unknown])}{name}: {problem}") from error

    def place(self, name: Sequence[str | int]) -> str:
        """Return `<file>, line <n>: ` of the deepest part of a name that is written down; "" where none is."""
        best = _depth(self.runtime_params or {}, name)
        where = "--params: " if best else ""
        for path in self._files():
            try:
                root = yaml.compose(path.read_text())
            except yaml.YAMLError:
                continue
            depth, line = _deepest(root, name)
            if depth > best:
                best, where = depth, f"{self._shown(path)}, line {line}: "
        return where

    def _files(self) -> Iterator[Path]:
        """Yield the YAML files that are read, those of the environment first: they override the others.

        Catalogs come last: a parameter may have the name of a dataset.
        """
        for environment in dict.fromkeys((self.env or self.default_run_env, self.base_env)):
            files = (Path(self.conf_source) / environment).rglob("*.yml")
            yield from sorted(files, key=lambda path: (path.name.startswith("catalog"), path))

    def _shown(self, path: Path) -> str:
        return os.path.relpath(path, Path(self.conf_source).parent)

    def _in_words(self, error: Exception) -> str:
        if isinstance(error, OmegaConfBaseException):
            full_key = str(error.full_key or "")
            reason = str(error).splitlines()[0].rpartition("raised while resolving interpolation: ")[2]
            return f"{self.place(full_key.split('.'))}{full_key}: {reason}"
        if isinstance(error, yaml.YAMLError):
            for path in self._files():
                try:
                    OmegaConf.load(path)
                except yaml.MarkedYAMLError as found:
                    line = found.problem_mark.line + 1 if found.problem_mark else "?"
                    return f"{self._shown(path)}, line {line}: {found.problem}"
        return str(error)


def _depth(values: Any, name: Sequence[str | int]) -> int:
    """Return how many parts of a name are found in values, one in the other."""
    inside = isinstance(values, dict) and len(name) > 0 and name[0] in values
    return 1 + _depth(values[name[0]], name[1:]) if inside else 0


def _deepest(node: yaml.Node | None, name: Sequence[str | int]) -> tuple[int, int]:
    """Return how many parts of a name are found below a node of YAML, one in the other, and the line of the last."""
    depth = line = 0
    for part in name:
        values = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((key, value) for key, value in values if key.value == str(part)), None)
        if found is None:
            break
        depth, line, node = depth + 1, found[0].start_mark.line + 1, found[1]
    return depth, line

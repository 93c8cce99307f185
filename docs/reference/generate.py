"""Fill the columns of the reference's tables that the code knows; `make docs` runs it.

Pages are written by hand but for these columns: type and default of a parameter, type and place of a dataset, label,
ideal and classes of a metric. A row's first cell names what it describes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lesion_fusion.config.configuration import Configuration
from lesion_fusion.statistics.metrics import METRICS

REFERENCE = Path(__file__).resolve().parent
CONF = REFERENCE.parents[1] / "conf" / "base"
# Entries of the catalog by name, and what an environment alone has.
CATALOG: dict[str, Any] = {"compared_images": {"type": "lesion_fusion.datasets.file_folder.FileFolderDataset"}}
for file in CONF.rglob("catalog.yml"):
    CATALOG |= yaml.safe_load(file.read_text())
SCHEMA = Configuration.model_json_schema()

Facts = Callable[[str, str], dict[str, str]]
"""From a name and the kind of model that its table is about to {column: cell}."""


def parameter(name: str, kind: str) -> dict[str, str]:
    """Return type and default of a parameter, by its dotted name; KeyError for one that does not exist."""
    node: Mapping[str, Any] = SCHEMA
    for part in name.split("."):
        node = _entry(node, part, kind)
    default = node.get("default", ...)
    text = default if isinstance(default, str) else json.dumps(default) if default is not ... else ""
    return {"type": "group" if "properties" in node else _type(node), "default": f"`{text}`" if text else ""}


def network_parameter(name: str, _kind: str) -> dict[str, str]:
    """Return the same of a parameter of a network."""
    return parameter(f"<family>.<model>.network.{name}", "network")


def _entry(group: Mapping[str, Any], name: str, kind: str) -> Mapping[str, Any]:
    """Return the schema of an entry of a group, `<family>` standing for any of them."""
    found = _resolved(group)
    if "oneOf" in found and name == "kind":
        return {"enum": list(found["discriminator"]["mapping"])}
    if "oneOf" in found:
        found = _resolved({"$ref": found["discriminator"]["mapping"][kind]})
    properties = found.get("properties", {})
    if name in properties:
        optional: dict[str, Any] = {} if name in found.get("required", ()) else {"default": {}}
        return {**optional, **properties[name]}
    if name == "<family>":
        return dict(properties["fusion"])
    if not found.get("additionalProperties"):
        raise KeyError(name)
    return dict(found["additionalProperties"])


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema without references, and without null among its alternatives."""
    while True:
        others = [one for one in node.get("anyOf", ()) if one != {"type": "null"}]
        if "$ref" in node:
            node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
        elif len(others) == 1:
            node = others[0]
        else:
            return node


def _type(node: Mapping[str, Any]) -> str:
    """Return what a schema allows, in words."""
    if "anyOf" in node:
        return " or ".join("`null`" if one == {"type": "null"} else _type(one) for one in node["anyOf"])
    node = _resolved(node)
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    match node.get("type"):
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number" as kind:
            return ", ".join([kind, *_bounds(node)])
        case "array":
            least = f", {node['minItems']} or more" if node.get("minItems", 0) > 1 else ""
            return f"list of {_type(node['items']) or 'values'}{least}"
        case "object" if "properties" in node:
            return _group(node["properties"])
        case "object":
            values = node["additionalProperties"]
            return f"{{name: {'value' if values is True else _type(values)}}}"
        case "string":
            return "text"
    return ""


def _group(fields: Mapping[str, Any]) -> str:
    """Return the names of a group's fields, and what is in those that are groups or lists of groups."""
    inner = {name: _type(field) for name, field in fields.items()}
    return f"{{{', '.join(f'{name}: {text}' if '{' in text else name for name, text in inner.items())}}}"


def _bounds(node: Mapping[str, Any]) -> list[str]:
    """Return the bounds of a number, in words."""
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return [f"{low} to {high:,}"]
    if low is not None:
        return [f"{low} to below {below}" if below is not None else f"{low} and up"]
    start, end = f"above {above}", f"up to {high}" if high is not None else f"below {below}"
    return [text for text, bound in ((start, above), (end, high if below is None else below)) if bound is not None]


def dataset(name: str, _kind: str) -> dict[str, str]:
    """Return type and place of a dataset of conf/base; KeyError for one without an entry."""
    entry = CATALOG[re.sub(r"<(\w+)>", r"{\1}", name)]
    place = re.sub(r"\$?\{(?:globals:)?(\w+)\}", r"<\1>", entry.get("filepath", "")).removeprefix("<data_root>/")
    return {"type": entry["type"].rpartition(".")[2], "place": f"`{place}`" if place else ""}


def metric(name: str, _kind: str) -> dict[str, str]:
    """Return label, ideal value and classes of a metric."""
    found = METRICS[name]
    return {"label": found.label, "ideal": str(found.perfect), "classes": "two" if found.of_two_classes else "any"}


# By page: the facts, and the columns that they fill.
PAGES: dict[str, tuple[Facts, tuple[str, ...]]] = {
    "parameters.md": (parameter, ("type", "default")),
    "networks.md": (network_parameter, ("type", "default")),
    "datasets.md": (dataset, ("type", "place")),
    "metrics.md": (metric, ("label", "ideal", "classes")),
}


def filled(text: str, facts: Facts, columns: tuple[str, ...]) -> str:
    """Return a page with these columns filled in every table that has them all and begins with `name`."""
    lines, header, kind = [], [""], "classifier"
    for line in text.splitlines():
        if found := re.match(r"`kind: (\w+)`", line):
            kind = found.group(1)
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)][1:-1]
        if not cells:
            header = [""]
        elif header == [""]:
            header = cells
        elif header[0] == "name" and set(columns) <= set(header) and not line.startswith("|---"):
            rows = [facts(name, kind) for name in re.findall(r"`([^`]+)`", cells[0])]
            for column in columns:
                cells[header.index(column)] = ", ".join(dict.fromkeys(row[column] for row in rows if row[column]))
            line = re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(cells)} |")
        lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for page, filling in PAGES.items():
        path = REFERENCE / page
        path.write_text(filled(path.read_text(), *filling))

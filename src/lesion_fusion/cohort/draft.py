"""A first draft of a cohort's file, from its table and the names of its files; what is not certain is marked."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

import pandas as pd
import yaml

from lesion_fusion.cohort.layout import TODO
from lesion_fusion.cohort.record import canonical_cell, unknown_categories
from lesion_fusion.cohort.schema import COLUMNS, SEPARATOR, Column, Kind

# Headings by which a column is known, besides its own name; as words without signs.
_HEADINGS = {
    "case_id": "case id no number nr",
    "patient_id": "patient patientid pid subject",
    "image_file": "image imagefile imagefilename filename picture",
    "tumor_mask_file": "mask maskfile maskfilename masktumorfilename tumormask lesionmask segmentation",
    "other_mask_files": "maskotherfilename othermask",
    "pixel_size_mm": "pixelsize pixelspacing spacing",
    "device": "scanner machine manufacturer model",
    "age": "ageyears patientage",
    "tissue_composition": "tissue composition density",
    "margin": "margins",
    "echogenicity": "echopattern",
    "posterior_features": "posterior posterioracousticfeatures",
    "calcifications": "calcification",
    "birads": "biradscategory",
    "diagnosis": "histology histologicaltype",
    "classification": "class outcome pathology label malignancy",
}
_FILES = ("image_file", "tumor_mask_file")
_SEPARATORS = (SEPARATOR, ";", ",", "/", "+")
_TEXTS = 40


def draft(
    table: pd.DataFrame, cohort: str, places: dict[str, str], images: Collection[str], masks: Collection[str]
) -> str:
    """Return the text of a cohort.yml for `table`, all cells as text.

    `places`: the file of the table, the folders of images and of masks, as the file has them. `images`, `masks`: names
    of the files in the folders, and `outlines.json#a.png` for each image in a file of outlines. A column is known by
    its heading, those of files by their cells; a mask that no column names, by its image's name. A wording that means
    no category for certain is marked TODO, which is refused when the file is read.
    """
    found = dict(_matched(table, images, masks))
    head = {"cohort": cohort, "table": {"file": places["table"]}, "images": places["images"], "masks": places["masks"]}
    lines = [
        f"# Draft from {table.attrs.get('file', 'a table')}, {len(table)} rows. Check every line, replace each {TODO}.",
        yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=10_000).rstrip(),
        *(['decimal: ","'] if _decimal_comma(table) else []),
        "",
        "columns:",
    ]
    for column in COLUMNS:
        if column.name in found:
            lines += _entry(table, found[column.name], column)
        elif column.name == "tumor_mask_file" and "image_file" in found:
            among = set(masks) if places["masks"] != places["images"] else set(masks) - set(table[found["image_file"]])
            lines += _named_as_its_image(table, found["image_file"], among)
        elif column.required and column.name not in ("image_width", "image_height"):
            lines.append(f"  {column.name}: {TODO}  # needed: {column.description}")
    given = [*found, *(["tumor_mask_file"] if any(line.startswith("  tumor_mask_file:") for line in lines) else [])]
    lines += ["", "# Columns of `cases` without a match, left out: " + ", ".join(_absent(given))]
    unmatched = [heading for heading in map(str, table) if heading not in found.values()]
    lines += [f"# Headings without a match, to be declared under extra if needed: {', '.join(unmatched) or 'none'}"]
    return "\n".join(lines) + "\n"


def _matched(table: pd.DataFrame, images: Collection[str], masks: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield column of `cases` and heading, each at most once: files by their cells, the others by their heading."""
    taken: set[str] = set()
    headings = list(map(str, table))
    for name, files in (("image_file", set(images) - (set(masks) - set(images))), ("tumor_mask_file", set(masks))):
        shares = {heading: _share(table[heading], files) for heading in headings if heading not in taken}
        best = max(shares, key=lambda heading: shares[heading], default=None)
        if best is not None and shares[best] > 0.5:
            taken.add(best)
            yield name, best
    for column in COLUMNS:
        if column.name in _FILES:
            continue
        known = {_plain(column.name), *_HEADINGS.get(column.name, "").split()}
        heading = next((one for one in headings if one not in taken and _plain(one) in known), None)
        if heading is not None:
            taken.add(heading)
            yield column.name, heading


def _named_as_its_image(table: pd.DataFrame, heading: str, masks: Collection[str]) -> list[str]:
    """Return the lines of masks that are called as their images: in another folder, with a suffix, or inside a JSON."""
    cells = table[heading].dropna()
    entries = {"": f"  tumor_mask_file: {_quoted(heading)}"}
    for suffix in sorted({PurePosixPath(name).suffix for name in masks if "#" not in name} - {""}):
        entries[suffix] = f"  tumor_mask_file: {{column: {_quoted(heading)}, suffix: {suffix}}}"
    named = {
        suffix: cells.map(lambda cell, s=suffix: PurePosixPath(cell).stem + s if s else cell) for suffix in entries
    }
    for file in sorted({name.partition("#")[0] for name in masks if "#" in name}):
        # Signs that mean something else between braces.
        if not re.search(r"[{}.!:\[\]]", heading) and "{" not in file:
            entries[file] = f"  tumor_mask_file: {{text: {_quoted(f'{file}#{{{heading}}}')}}}"
            named[file] = file + "#" + cells
    shares = {key: float(names.isin(list(masks)).mean()) for key, names in named.items()}
    best = max(shares, key=lambda key: shares[key])
    return [entries[best]] if shares[best] > 0.5 else []


def _share(cells: pd.Series, files: Collection[str]) -> float:
    given = cells.dropna()
    return 0.0 if given.empty else float(sum(any(p in files for p in _split(cell)) for cell in given) / len(given))


def _split(cell: str) -> list[str]:
    return [part.strip() for part in re.split("[" + re.escape("".join(_SEPARATORS[:3])) + "]", cell)]


def _plain(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading.lower())


def _absent(found: Collection[str]) -> list[str]:
    return [column.name for column in COLUMNS if column.name not in found and not column.name.startswith("image_")]


def _decimal_comma(table: pd.DataFrame) -> bool:
    """Whether a column has numbers, some of them with a decimal comma, beside a few words for a missing one."""
    columns = [table[heading].dropna() for heading in table]
    numbers = [cells[cells.str.fullmatch(r"[+-]?\d+(,\d+)?")] for cells in columns]
    return any(
        len(some) > len(cells) / 2
        and some.str.contains(",").any()
        and not cells.drop(some.index).str.contains(r"\d").any()
        for cells, some in zip(columns, numbers, strict=True)
    )


def _entry(table: pd.DataFrame, heading: str, column: Column) -> list[str]:
    """Return the lines of a column: its heading, and its wordings where they are not those of the categories."""
    cells = table[heading].dropna()
    quoted = _quoted(heading)
    if not column.categories:
        separator = _separator(cells) if column.name == "tumor_mask_file" else SEPARATOR
        if separator == SEPARATOR:
            return [f"  {column.name}: {quoted}"]
        return [f"  {column.name}:", f"    column: {quoted}", f"    separator: {_quoted(separator)}"]
    separator = SEPARATOR if column.kind is not Kind.MULTIPLE else _separator(cells)
    parts = [part.strip() for cell in cells for part in (cell.split(separator) if separator else [cell])]
    counts = pd.Series(parts, dtype="str").value_counts()
    unknown = [word for word in counts.index if not _is_certain(word, column)]
    if not unknown and separator == SEPARATOR:
        return [f"  {column.name}: {quoted}"]
    lines = [f"  {column.name}:", f"    column: {quoted}"]
    lines += [f"    separator: {_quoted(separator)}"] if separator != SEPARATOR else []
    if unknown:
        lines += [f"    # Categories: {', '.join(column.categories)}; '' for missing.", "    wordings:"]
        lines += [f"      {_quoted(word)}: {TODO}  # {counts[word]} times" for word in unknown[:_TEXTS]]
    return lines


def _is_certain(word: str, column: Column) -> bool:
    """Whether a wording is a category, or missing, whoever wrote it."""
    return not unknown_categories(canonical_cell(word, column), column)


def _separator(cells: Sequence[str] | pd.Series) -> str:
    """Return the separator that most cells have, & where none has any."""
    counts = {separator: sum(separator in cell for cell in cells) for separator in _SEPARATORS[:3]}
    best = max(counts, key=lambda one: counts[one])
    return best if counts[best] else SEPARATOR


def _quoted(text: str) -> str:
    """Return a text as YAML takes it, whatever it holds."""
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000).strip()

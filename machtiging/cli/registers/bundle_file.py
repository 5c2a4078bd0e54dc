"""The file of bundles that an operator publishes."""

from __future__ import annotations

from pathlib import Path

from machtiging.agencies.bundles import BundleContent
from machtiging.operator_content.yaml_file import Line, OperatorItem, read_items


class BundleItem(OperatorItem):
    """A bundle in the file. `diensten` as "OIN/code"."""

    code: Line
    name: Line
    diensten: list[Line]


def read_bundles(path: Path) -> list[BundleContent]:
    """Read the bundles of a file. Raises Fault `bundels_onleesbaar`, with file and place in `private`."""
    items = read_items(path, BundleItem, "bundels_onleesbaar")
    return [BundleContent(item.code, item.name, frozenset(item.diensten)) for item in items]

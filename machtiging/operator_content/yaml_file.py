"""Strict reader of YAML files of the operator. An error stops the start, with the file and the place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from machtiging.kernel.errors import Fault

PRACTICE_FOLDER = Path(__file__).with_name("practice")
MAX_FILE_BYTES = 512 * 1024
_Item = TypeVar("_Item", bound=BaseModel)

# `pattern` refuses control characters; markup is text, since every template escapes it.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")
]


class OperatorItem(BaseModel):
    """A value in a file of the operator. Unknown keys and other types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BilingualText(OperatorItem):
    """One text in Dutch and in English."""

    nl: Line
    en: Line

    def in_language(self, language: str) -> str:
        """Return the English text for `en`, else the Dutch one."""
        return self.en if language == "en" else self.nl


def read_items(path: Path, kind: type[_Item], fault_code: str) -> tuple[_Item, ...]:
    """Read a list of items from a YAML file. Raises Fault `fault_code`, with file and place in `private`."""
    # An empty file is an empty list: nothing to say yet.
    found = _read_yaml(path, TypeAdapter(list[kind]), fault_code, empty=[])  # type: ignore[valid-type]
    return tuple(found)


def read_item(path: Path, kind: type[_Item], fault_code: str) -> _Item:
    """Read one item from a YAML file. Raises Fault `fault_code`, with file and place in `private`."""
    found: _Item = _read_yaml(path, TypeAdapter(kind), fault_code, empty=None)
    return found


def _read_yaml(path: Path, adapter: TypeAdapter[Any], fault_code: str, *, empty: object) -> Any:
    try:
        data = path.read_bytes()
        if len(data) > MAX_FILE_BYTES:
            raise Fault(fault_code, private=f"{path} is larger than {MAX_FILE_BYTES} bytes")
        found: Any = yaml.safe_load(data.decode())
        return adapter.validate_python(empty if found is None else found)
    except OSError as error:
        raise Fault(fault_code, private=f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(fault_code, private=f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise Fault(fault_code, private=f"{path}: {_describe_errors(error)}") from error


def _describe_errors(error: ValidationError) -> str:
    """Describe each error with its place; item 1 is the first of the file."""
    return "; ".join(
        " ".join([".".join(_describe_step(step) for step in one["loc"]), one["msg"]]) for one in error.errors()
    )


def _describe_step(step: int | str) -> str:
    return f"item {step + 1}" if isinstance(step, int) else step

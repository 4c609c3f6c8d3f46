"""predict.py of an exported folder: a short script that needs the network's file and card.json, not lossbench."""

from collections.abc import Mapping
from typing import Any

from lossbench.export import script_parts as part


def script(card: Mapping[str, Any]) -> str:
    """Write the script for a card.

    Args:
        card: that of the folder: `format`, `input`, `task`, `needs`.
    """
    name, kind = card["format"], card["input"]["kind"]
    images, rebuilt = kind == "image", kind == "image" and name == "safetensors"
    imports = part.IMPORTS[name] + (part.PILLOW if images else "")
    start = part.START.format(
        does=part.DOES[kind],
        standard=part.STANDARD[kind],
        files=part.FILES[kind],
        needs=", ".join(card["needs"]),
        imports=imports,
        load=part.LOAD[name],
    )
    run = part.RUN[name].format(
        given=part.GIVEN[kind], prepared="prepare(inputs)" if rebuilt else "torch.from_numpy(inputs)"
    )
    return (
        start
        + part.READ[kind]
        + (part.PREPARE if rebuilt else "")
        + run
        + part.END.format(choice=part.CHOICE[card["task"]])
    )

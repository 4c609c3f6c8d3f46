"""predict.py of an exported folder: a short script that needs the network's file and card.json, not lossbench."""

from collections.abc import Mapping
from typing import Any

START = '''"""{does}: python predict.py {files}; it needs {needs}."""

import json
import sys
from pathlib import Path

{imports}
HERE = Path(__file__).resolve().parent
CARD = json.loads((HERE / "card.json").read_text(encoding="utf-8"))
{load}'''
IMPORTS = {
    "torch": "import numpy as np\nimport torch\n",
    "onnx": "import numpy as np\nimport onnxruntime\n",
    "safetensors": "import numpy as np\nimport torch\n"
    "from safetensors.torch import load_file\n\nfrom network import network\n",
}
PILLOW = "from PIL import Image, ImageOps\n"
LOAD = {
    "torch": 'MODEL = torch.export.load(HERE / "model.pt2").module()\n',
    "onnx": 'MODEL = onnxruntime.InferenceSession(str(HERE / "model.onnx"))\n',
    "safetensors": 'WEIGHTS = load_file(HERE / "model.safetensors")\n',
}
READ = {
    "image": '''
def read(path):
    """Read an image as uint8 (1, height, width, 3): RGB, upright."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):  # 16-bit greyscale
        image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))[None]

''',
    "array": '''
def read(path):
    """Read an array of examples."""
    return np.load(path).astype(np.float32)

''',
}
GIVEN = {
    "image": '"""Give the probabilities (n, C) of uint8 images (n, height, width, 3) of any size."""',
    "array": '"""Give the probabilities (n, C) of an array of n examples, float32."""',
}
RUN = {
    "torch": """
def probabilities(inputs):
    {given}
    with torch.inference_mode():
        return MODEL(torch.from_numpy(inputs)).numpy()

""",
    "onnx": """
def probabilities(inputs):
    {given}
    return MODEL.run(None, {{"inputs": inputs}})[0]

""",
    "safetensors": """
def probabilities(inputs):
    {given}
    with torch.inference_mode():
        return network({prepared}, WEIGHTS).numpy()

""",
}
PREPARE = '''
def prepare(images):
    """Resize, crop the centre and normalise, as the network was tested: float32 (n, 3, side, side)."""
    how, images = CARD["input"], torch.from_numpy(images).permute(0, 3, 1, 2)
    size = [n * how["shorter_side"] // min(images.shape[2:]) for n in images.shape[2:]]
    images = torch.nn.functional.interpolate(images, size, mode=how["interpolation"], antialias=True)
    top, left = (round((n - how["crop"]) / 2) for n in size)
    images = images[:, :, top : top + how["crop"], left : left + how["crop"]] / 255
    mean, std = (torch.tensor(how[name]).view(3, 1, 1) for name in ("mean", "std"))
    return ((images - mean) / std).contiguous()

'''
CHOICE = {
    "classification": "p.argmax(keepdims=True)",
    "multi_label": "(p > 0.5).nonzero()[0]",
}
END = """
if __name__ == "__main__":
    for path in sys.argv[1:] or sys.exit(__doc__):
        for p in probabilities(read(path)):
            print(path, *(f"{{CARD['classes'][i]}} {{p[i]:.3f}}" for i in {choice}), sep="  ")
"""
FILES = {"image": "PHOTO ...", "array": "EXAMPLES.npy"}


def script(card: Mapping[str, Any]) -> str:
    """Write the script for a card.

    Args:
        card: that of the folder: `format`, `input`, `task`, `needs`.
    """
    name, kind = card["format"], card["input"]["kind"]
    images, rebuilt = kind == "image", kind == "image" and name == "safetensors"
    does = "Say what is on photographs" if images else "Classify examples"
    imports = IMPORTS[name] + (PILLOW if images else "")
    start = START.format(does=does, files=FILES[kind], needs=", ".join(card["needs"]), imports=imports, load=LOAD[name])
    run = RUN[name].format(given=GIVEN[kind], prepared="prepare(inputs)" if rebuilt else "torch.from_numpy(inputs)")
    return start + READ[kind] + (PREPARE if rebuilt else "") + run + END.format(choice=CHOICE[card["task"]])

"""The parts of predict.py, by the format of the network's file and by what it takes."""

START = '''"""{does}: python predict.py {files}; it needs {needs}."""

{standard}from pathlib import Path

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
    "table": '''
def read(path):
    """Read a CSV file, and encode its rows as the rows that were trained on: float32 (n, D)."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        file.seek(0)
        rows = [*csv.reader(file, delimiter=max(",;\\t", key=header.count))]
    rows = [[cell.strip() for cell in row] for row in rows if any(row)]
    columns = [(column, rows[0].index(column["name"])) for column in CARD["input"]["columns"]]
    numbers = [[number for column, k in columns for number in encode(column, row[k])] for row in rows[1:]]
    return np.array(numbers, dtype=np.float32)


def encode(column, cell):
    """Turn a cell into numbers: one-hot or standardised, and 1 where it is missing if the column has a place for it."""
    missing = cell in CARD["input"]["missing"]
    flag = [float(missing)] * column["missing"]
    if column["kind"] == "category":
        cell = re.sub(r"^(-?\\d+)\\.0+$", r"\\1", cell)  # 3.0 is the category 3
        known = [float(cell == value) for value in column["values"]]
        return known + [float(not missing and not any(known))] * column["other"] + flag
    if column["std"] is None:
        return flag
    value = column["median"] if missing else days(cell) if column["kind"] == "time" else float(cell)
    return [(value - column["mean"]) / column["std"], *flag]


def days(cell):
    """Days since 1970 of an ISO date or time."""
    return (datetime.fromisoformat(cell.removesuffix("Z")) - datetime(1970, 1, 1)) / timedelta(days=1)

''',
    "array": '''
def read(path):
    """Read an array of examples."""
    return np.load(path).astype(np.float32)

''',
}
GIVEN = {
    "image": '"""Give the probabilities (n, C) of uint8 images (n, height, width, 3) of any size."""',
    "table": '"""Give the probabilities (n, C) of n rows as `read` encodes them, float32 (n, D)."""',
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
    "ordinal": "(p.cumsum() < 0.5).sum(keepdims=True).clip(max=len(p) - 1)",
    "multi_label": "(p > 0.5).nonzero()[0]",
}
END = """
if __name__ == "__main__":
    for path in sys.argv[1:] or sys.exit(__doc__):
        for p in probabilities(read(path)):
            print(path, *(f"{{CARD['classes'][i]}} {{p[i]:.3f}}" for i in {choice}), sep="  ")
"""
FILES = {"image": "PHOTO ...", "array": "EXAMPLES.npy", "table": "ROWS.csv"}
DOES = {
    "image": "Say what is on photographs",
    "array": "Classify the examples of an array",
    "table": "Classify the rows of a table",
}
STANDARD = {
    "image": "import json\nimport sys\n",
    "array": "import json\nimport sys\n",
    "table": "import csv\nimport json\nimport re\nimport sys\nfrom datetime import datetime, timedelta\n",
}

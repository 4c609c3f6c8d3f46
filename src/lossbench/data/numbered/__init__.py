"""Data sets whose examples are numbered: arrays, torchvision's and Hugging Face's. Torch-free."""

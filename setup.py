"""Everything is in pyproject.toml but one step of the build: the configuration folder conf/ goes into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Copy conf/ into the wheel as lossbench/conf; an editable install reads conf/ where it is."""

    def run(self) -> None:
        """Build the modules and the folder anew, so that no file removed since the last build is left."""
        if self.editable_mode:
            super().run()
            return
        for package in ("lossbench", "hydra_plugins"):
            shutil.rmtree(Path(self.build_lib) / package, ignore_errors=True)
        super().run()
        shutil.copytree("conf", Path(self.build_lib) / "lossbench" / "conf")


setup(cmdclass={"build_py": BuildWithConf})

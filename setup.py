"""Everything is in pyproject.toml but one step of the build: the configuration folder conf/ goes into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Copy conf/ into the wheel as lossbench/conf; an editable install reads conf/ where it is."""

    def run(self) -> None:
        """Build the modules, then copy the folder anew, so that no file removed since the last build is left."""
        super().run()
        if not self.editable_mode:
            packed = Path(self.build_lib) / "lossbench" / "conf"
            shutil.rmtree(packed, ignore_errors=True)
            shutil.copytree("conf", packed)


setup(cmdclass={"build_py": BuildWithConf})

"""What pyproject.toml cannot say: an editable install brings the data files, too."""

from setuptools import Distribution, setup


class WithDataFiles(Distribution):
    """Answers what setuptools asks before it installs data files for `-e`."""

    def has_data(self) -> bool:
        """Whether there are any; setuptools' own name for it is `has_data_files`."""
        return self.has_data_files()


setup(distclass=WithDataFiles)

"""What `jupyter nbconvert --to pdf` says where the LaTeX that it runs is missing."""

import shutil

from nbconvert.preprocessors import Preprocessor


class LatexPreprocessor(Preprocessor):
    """Stops nbconvert's own PDF exporter with one line where it could not end well.

    `jupyter_nbconvert_config.json` beside this file, which the package puts into the
    environment's etc/jupyter, hands it to that exporter and to no other.
    """

    def preprocess(self, nb, resources: dict) -> tuple:
        """Leave the notebook as it is, or end the program as nbconvert does."""
        needed = ("pandoc", getattr(self.parent, "latex_command", ["xelatex"])[0])
        missing = [name for name in needed if shutil.which(name) is None]
        if missing:
            raise SystemExit(
                f"--to pdf: found no {' and no '.join(missing)}, which this exporter "
                "runs; use --to report-pdf, which makes a PDF without LaTeX, or "
                "install what is missing"
            )
        return nb, resources

"""Which tests may run side by side: those of a file, or a series, stay together."""

from xdist.scheduler import LoadFileScheduling


class BySeries(LoadFileScheduling):
    """One worker for a series: a notebook reads what lower numbers wrote."""

    def _split_scope(self, nodeid: str) -> str:
        if "ipynb" in nodeid:
            return nodeid.rpartition("/")[0]
        return super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    """Hand out tests by file and by series (only asked with `pytest -n`)."""
    return BySeries(config, log)

"""Asking a proxy for the score of a candidate: whatever it does, it does to itself alone."""

from __future__ import annotations

import logging

from trainfree.outside.foreign import ForeignError, contained, told, trace_of
from trainfree.outside.process_state import seed_global_generators
from trainfree.proxies import is_own
from trainfree.proxies.registry import Proxy, UndefinedScoreError, unchanged_registry
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.status import Status, judge, judge_failure

log = logging.getLogger(__name__)


def attempt(
    candidate: CheckedCandidate, proxy: Proxy, arch: int | str
) -> tuple[float, Status, str, float]:
    """Return score, status, message and seconds; whatever a proxy does, it does to itself alone."""
    if not is_own(proxy):
        return attempt_contained(candidate, proxy, arch)
    try:
        value, seconds = candidate.score(proxy)
    except UndefinedScoreError as error:
        return *judge_failure(error), float("nan")
    except Exception as error:
        log.exception("proxy %s failed for architecture %s", proxy.name, arch)
        return *judge_failure(error), float("nan")
    return *judge(value), seconds


def attempt_contained(
    candidate: CheckedCandidate, proxy: Proxy, arch: int | str
) -> tuple[float, Status, str, float]:
    """Do the same with a proxy or an architecture that runs code which nobody vouches for.

    See :mod:`trainfree.outside.foreign`. What it draws without saying from where is seeded by
    architecture, so that it repeats.
    """
    try:
        with contained(), unchanged_registry():
            seed_global_generators(candidate.global_seed(proxy.name))
            value, seconds = candidate.score(proxy)
            return *judge(value), seconds
    except ForeignError as error:
        raised = error.raised
    if not issubclass(type(raised), UndefinedScoreError):
        what = (proxy.name, arch, told(raised), trace_of(raised))
        log.error("proxy %s failed for architecture %s: %s\n%s", *what)
    return *judge_failure(raised), float("nan")

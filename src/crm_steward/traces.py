"""OpenTelemetry traces of jobs and of calls to CRMs, for those who collect them (extra `traces`).

A span holds names from the settings, rule ids, counts and outcomes, never anything about a contact:
of an error its class, for its message may quote what a CRM said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_PATIENCE = 2
"""Seconds that a collector has to take spans: at the end of the service little time is left."""
_tracers: list[Tracer] = []
"""The tracer in use; none while nobody collects."""


@contextmanager
def exporting(endpoint: str | None, version: str) -> Iterator[None]:
    """Send spans to a collector until the end, when those that are left are sent.

    A collector that does not answer stops nothing: spans are dropped, and the log says so.

    Args:
        endpoint: Where OTLP over HTTP is taken, such as `http://localhost:4318/v1/traces`; None:
            nothing is traced.
        version: Of this program.

    Raises:
        ImportError: The extra is not installed.
    """
    if endpoint is None:
        yield
        return
    # Loaded here: an extra, and seldom used.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 -- as above
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 -- as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 -- as above

    resource = Resource.create({"service.name": "crm-steward", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_PATIENCE)))
    _tracers.append(provider.get_tracer("crm_steward"))
    try:
        yield
    finally:
        _tracers.clear()
        provider.shutdown()


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """Trace what is done within, if anybody collects.

    Args:
        name: What is done.
        attributes: About what: names, ids and numbers only.
    """
    if not _tracers:
        yield
        return
    with _tracers[0].start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as begun:
        try:
            yield
        except BaseException as error:
            _fail(begun, type(error).__name__)
            raise


def note(**attributes: Any) -> None:
    """Add to the span under way what came of it; nothing when nobody collects."""
    if not _tracers:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415 -- an extra

    get_current_span().set_attributes(attributes)


def _fail(span: Span, error: str) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 -- an extra

    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)

"""`solpay metrics`: Prometheus' text format, once on standard output or again and again on a port."""

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated

import typer

from solpay_pipeline.cli.common import NOT_ALL_DONE, refuse, settings_or_exit
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring.environment import acting_settings

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A scrape ends after ten seconds by Prometheus' own default.
_RETRY_SECONDS = 3.0


def metrics(
    port: Annotated[
        int | None,
        typer.Option("--port", help="Serve /metrics on this port until Ctrl-C, instead of printing."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Print the shop's health for Prometheus: payments, wallets, findings, what is in flight, the fee payer."""
    settings = settings_or_exit(acting_settings)
    if port is not None:
        _serve(settings, host, port)
        return
    from solpay_pipeline.base.database_trouble import DatabaseTrouble

    try:
        typer.echo(_read(settings), nl=False)
    except DatabaseTrouble as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(NOT_ALL_DONE) from None


def _read(settings: Settings) -> str:
    from solpay_pipeline.reports.metrics import exposition
    from solpay_pipeline.wiring.deployment import deployment_of

    deployment = deployment_of(settings, retry_window_seconds=_RETRY_SECONDS)
    try:
        return exposition(deployment, datetime.now(UTC))
    finally:
        deployment.engine.dispose()


def _serve(settings: Settings, host: str, port: int) -> None:
    from solpay_pipeline.base.database_trouble import DatabaseTrouble

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            try:
                body = _read(settings).encode()
            except DatabaseTrouble:
                self.send_error(503, "the database cannot be read")
                return
            self.send_response(200)
            self.send_header("Content-Type", _CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """A scrape every fifteen seconds is no news."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        refuse(f"cannot listen on {host}:{port}: {error.strerror}")
    typer.echo(f"metrics on http://{host}:{server.server_port}/metrics; stop with Ctrl-C", err=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return

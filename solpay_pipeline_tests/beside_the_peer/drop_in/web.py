"""The shop's web application: the peer's URLs behind a threaded HTTP server, `python -m ...drop_in.web`."""

from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, get_wsgi_application(), _Server, _Silent)
    print(server.server_port, flush=True)
    server.serve_forever()

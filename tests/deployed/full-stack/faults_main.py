"""microburst 0.10.0, corrected where it is not a transparent proxy. Runs in ministack's own environment."""

import sys

from microburst import cli, forward

rewritten_headers = forward.Upstream._outbound_headers


def headers(upstream, request):
    """Keeps the caller's Host, which is part of the signature that the emulator checks. microburst would set its own."""
    return rewritten_headers(upstream, request) | {"host": request.headers["Host"]}


forward.Upstream._outbound_headers = headers

sys.exit(cli.main())

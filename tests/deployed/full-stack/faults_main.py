"""microburst 0.10.0, corrected where it is no transparent proxy. Runs in ministack's own environment."""

import sys

from microburst import cli, forward

rewritten_headers = forward.Upstream._outbound_headers


def headers(upstream, request):
    """With the caller's Host, which is part of what the caller signed: the emulator checks signatures. microburst names its own."""
    return rewritten_headers(upstream, request) | {"host": request.headers["Host"]}


forward.Upstream._outbound_headers = headers

sys.exit(cli.main())

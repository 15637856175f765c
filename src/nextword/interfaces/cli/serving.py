"""``nextword serve``."""

import gc
from pathlib import Path
from typing import Annotated

import typer

from nextword.interfaces.cli.options import Quiet
from nextword.interfaces.cli.progress import note


def serve(
    models: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Models, or folders of models.", show_default=False)
    ],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any that is free.")] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", envvar="NEXTWORD_API_KEY", help="Answer only to this key.", show_default=False),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which browsers call this server, besides localhost."),
    ] = None,
    time_limit: Annotated[float, typer.Option(min=1, help="Seconds that a request may take.")] = 60.0,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line on stderr for each request.")] = False,
    quiet: Quiet = False,
) -> None:
    """Serve models: a page to look inside them, and the completions API for programs.

    Example: nextword serve wiki5 lstm   (and open http://127.0.0.1:8000)
    """
    from nextword.interfaces.server.extras import require_serve

    require_serve()
    from nextword.interfaces.server import serving
    from nextword.interfaces.server.limits import Limits

    access = serving.access_of(host, api_key, allow_host or ())
    with serving.bind(host, port) as bound:
        opened = serving.open_models(models, time_limit=time_limit)
        server = serving.server_of(opened, access=access, limits=Limits(seconds=time_limit + 5), verbose=verbose)
        names, where = ", ".join(one.name for one in opened), serving.address(bound)
        if not serving.is_loopback(host) and api_key is None:
            note(f"nextword: warning: whoever reaches {where} can use these models; give --api-key to ask for a key")
        told = f"nextword: serving {names} at {where} (page) and /v1 (API); Ctrl-C ends"
        server.ready = lambda: note(told, quiet=quiet)
        gc.freeze()  # what is loaded stays: looking through it for garbage would hold up every request
        gc.set_threshold(700, 10, 10)  # Python's own, not a short command's: bodies in error would fill the memory
        server.run(sockets=[bound])
